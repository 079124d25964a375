"""The operator's page in a real browser, over the real backend and the real engine."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from alarm_engine.model.times import Nanos
from alarm_engine.wire.report import Drift, FileReport
from alarm_engine.wire.revision import Commit
from tests.browser.plant import Plant

pytestmark = pytest.mark.browser

IP1, IP2, CAV, XSS = "/Demo/Vacuum/Sector 01/IP1", "/Demo/Vacuum/Sector 02/IP2", "/Demo/RF/CAV1", "/Demo/RF/XSS"
BLIND_MS = 12_000


def row(page: Page, path: str) -> Locator:
    return page.locator(f'#table tbody tr[data-path="{path}"]')


def severity(page: Page, path: str) -> Locator:
    return row(page, path).locator("td.c-severity")


def pick(page: Page, path: str) -> None:
    """Select a row. A click on a row that has just moved is left aside by the page: then once more."""
    box = row(page, path).locator("td.pick input")
    expect(box).to_be_visible()
    for _ in range(100):
        box.click()
        if box.is_checked():
            return
    pytest.fail(f"{path} cannot be selected")


def tab(page: Page, name: str) -> None:
    page.locator(f'[data-tab="{name}"]').click()


def command(page: Page, kind: str) -> None:
    page.locator(f'#actions [data-command="{kind}"]').first.click()


def look(page: Page, plant: Plant) -> None:
    """Wait until everything that happened has been on screen long enough to count as seen."""
    expect(page.locator("body")).to_have_attribute("data-seen", plant.newest)


def live(page: Page) -> None:
    expect(page.locator("#banner")).to_be_hidden(timeout=BLIND_MS)


@pytest.fixture
def operator(page: Page, plant: Plant) -> Page:
    """A page with somebody in front of it who has said his name."""
    page.goto(plant.address)
    page.locator("#user").fill("mara")
    page.locator("#user").blur()
    live(page)
    return page


def test_alarms_are_shown_and_follow_the_stream(page, plant):
    plant.put("IP1", "MAJOR", "HIHI_ALARM", "3.5e-6")
    page.goto(plant.address)
    expect(severity(page, IP1)).to_have_text("MAJOR")
    expect(row(page, IP1)).to_contain_text("Ion pump pressure")
    expect(row(page, IP1)).to_contain_text("3.5e-6")
    plant.put("CAV1", "MINOR", "HIGH_ALARM", "12.0")
    expect(severity(page, CAV)).to_have_text("MINOR")
    plant.put("IP1", "INVALID", "LINK_ALARM")
    expect(severity(page, IP1)).to_have_text("INVALID")
    expect(page.locator("#tabs [data-tab=active] span")).to_have_text("2")
    expect(page.locator('#counts [data-kind="INVALID"] b')).to_have_text("1")
    assert page.evaluate("performance.getEntriesByType('navigation').length") == 1
    paths = page.locator("#table tbody tr[data-path]").evaluate_all("rows => rows.map(row => row.dataset.path)")
    assert paths == [IP1, CAV], "worst first"


def test_an_alarm_that_clears_leaves_the_table(page, plant):
    for pv in ("IP1", "IP2", "XSS"):
        plant.put(pv, "OK", "NO_ALARM")
    plant.put("CAV1", "MINOR", "HIGH_ALARM")  # CAV1 does not latch
    page.goto(plant.address)
    expect(row(page, CAV)).to_be_visible()
    plant.put("CAV1", "OK", "NO_ALARM")
    expect(row(page, CAV)).to_have_count(0)
    expect(page.locator("#empty:visible")).to_have_text("No active alarms. The engine is live.")


def test_acknowledge_from_end_to_end(operator, plant):
    plant.put("IP1", "MAJOR", "HIHI_ALARM")
    plant.put("IP2", "MAJOR", "HIHI_ALARM")
    pick(operator, IP1)
    look(operator, plant)
    command(operator, "acknowledge")
    expect(operator.locator(".message.done")).to_contain_text("IP1 acknowledged")
    expect(row(operator, IP1)).to_have_count(0)
    expect(row(operator, IP2)).to_be_visible()
    tab(operator, "acknowledged")
    expect(severity(operator, IP1)).to_have_text("major ✓")
    expect(row(operator, IP1)).to_contain_text("mara")
    assert plant.alarm(IP1).snapshot.alarm.severity.name == "MAJOR_ACK"
    assert plant.alarm(IP1).snapshot.acknowledgement.user == "mara"
    pick(operator, IP1)
    command(operator, "unacknowledge")
    expect(row(operator, IP1)).to_have_count(0)
    tab(operator, "active")
    expect(severity(operator, IP1)).to_have_text("MAJOR")


def test_acknowledge_everything_below_a_component(operator, plant):
    for pv in ("IP1", "IP2", "CAV1"):
        plant.put(pv, "MAJOR", "HIHI_ALARM")
    expect(row(operator, CAV)).to_be_visible()
    look(operator, plant)
    operator.locator("#tree li", has_text="Vacuum").click()
    operator.get_by_role("button", name="✓ all 2 in Vacuum").click()
    operator.locator("#ask-reason").fill("known")
    operator.locator("#ask-ok").click()
    expect(row(operator, IP2)).to_have_count(0)
    expect(operator.locator("#empty:visible")).to_have_text("No active alarms with this filter, but nothing is known yet of 1.")
    operator.get_by_role("button", name="Show the whole tree").click()
    expect(severity(operator, CAV)).to_have_text("MAJOR")
    assert plant.alarm(IP2).snapshot.acknowledgement.reason == "known"


def test_an_alarm_that_rises_under_the_click_is_left_alone(operator, plant):
    plant.put("IP1", "MINOR", "HIGH_ALARM")
    pick(operator, IP1)
    look(operator, plant)
    operator.evaluate(
        """path => new MutationObserver((_, observer) => {
            if (document.querySelector(`[data-path="${path}"] .c-severity`).textContent !== "INVALID") return;
            observer.disconnect();
            document.querySelector("#actions [data-command=acknowledge]").click();
        }).observe(document.querySelector("#table"), {subtree: true, childList: true, characterData: true})""",
        IP1,
    )
    plant.put("IP1", "INVALID", "LINK_ALARM")
    expect(operator.locator(".message.refused")).to_contain_text(f"Left alone, because they rose after what was on screen: {IP1}")
    expect(severity(operator, IP1)).to_have_text("INVALID")


def test_nothing_is_painted_as_acknowledged_before_the_engine_says_so(operator, plant):
    plant.put("IP1", "MAJOR", "HIHI_ALARM")
    pick(operator, IP1)
    plant.engine_off()  # its last life sign is still fresh
    command(operator, "acknowledge")
    expect(severity(operator, IP1)).to_have_text("acknowledging …")
    expect(operator.locator(".message.not_confirmed")).to_contain_text("NOT CONFIRMED: Acknowledge IP1", timeout=BLIND_MS)
    expect(severity(operator, IP1)).to_have_text("MAJOR")


def test_a_refused_command_says_why(operator, plant):
    plant.put("IP1", "MAJOR", "HIHI_ALARM")
    pick(operator, IP1)
    command(operator, "shelve")
    operator.locator("#ask-ok").click()
    expect(operator.locator("#ask-problem")).to_contain_text("give a reason")
    operator.locator("#ask-reason").fill("exchange of the pump")
    plant.configure(IP1, None)  # somebody removes it from the tree meanwhile
    operator.locator("#ask-ok").click()
    expect(operator.locator(".message.refused")).to_contain_text("Refused: Shelve IP1.")
    expect(operator.locator(".message.refused")).to_contain_text(IP1)


def test_who_has_not_said_his_name_is_asked(page, plant):
    plant.put("IP1", "MAJOR", "HIHI_ALARM")
    page.goto(plant.address)
    pick(page, IP1)
    look(page, plant)
    command(page, "acknowledge")
    page.locator("#ask-ok").click()
    expect(page.locator("#ask-problem")).to_contain_text("Who are you?")
    page.locator("#ask-user").fill("jo")
    page.keyboard.press("Enter")
    expect(row(page, IP1)).to_have_count(0)
    assert plant.alarm(IP1).snapshot.acknowledgement.user == "jo"
    page.reload()
    expect(page.locator("#user")).to_have_value("jo")


def test_shelve_and_unshelve(operator, plant):
    plant.put("IP1", "MAJOR", "HIHI_ALARM")
    pick(operator, IP1)
    command(operator, "shelve")
    operator.get_by_text("6 hours").click()
    operator.locator("#ask-reason").fill("pump is being exchanged")
    operator.keyboard.press("Enter")
    expect(row(operator, IP1)).to_have_count(0)
    tab(operator, "shelved")
    expect(severity(operator, IP1)).to_have_text("shelved")
    expect(row(operator, IP1)).to_contain_text(re.compile("in (6 h|5 h 59 min)"))
    expect(row(operator, IP1)).to_contain_text("pump is being exchanged")
    pick(operator, IP1)
    command(operator, "unshelve")
    expect(row(operator, IP1)).to_have_count(0)
    tab(operator, "active")
    expect(severity(operator, IP1)).to_have_text("MAJOR")


def test_out_of_service_and_back(operator, plant):
    plant.put("IP1", "MAJOR", "HIHI_ALARM")
    pick(operator, IP1)
    command(operator, "disable")
    operator.locator("#ask-reason").fill("removed for repair")
    operator.locator("#ask-ok").click()
    tab(operator, "shelved")
    expect(severity(operator, IP1)).to_have_text("out of service")
    expect(row(operator, IP1)).to_contain_text("when enabled")
    pick(operator, IP1)
    command(operator, "enable")
    tab(operator, "active")
    expect(severity(operator, IP1)).to_have_text("MAJOR")


def test_the_tree_shows_the_worst_and_filters(page, plant):
    plant.put("IP1", "MINOR", "HIGH_ALARM")
    plant.put("IP2", "MAJOR", "HIHI_ALARM")
    plant.put("CAV1", "INVALID", "LINK_ALARM")
    page.goto(plant.address)
    expect(page.locator("#tree li", has_text="Demo").locator(".badge")).to_have_text("INVALID")
    vacuum = page.locator("#tree li", has_text="Vacuum")
    expect(vacuum.locator(".badge")).to_have_text("MAJOR")
    expect(vacuum.locator(".numbers")).to_have_text("2")
    vacuum.click()
    expect(row(page, CAV)).to_have_count(0)
    expect(row(page, IP2)).to_be_visible()
    assert "path=%2FDemo%2FVacuum" in page.url
    vacuum.locator(".twist").click()
    page.locator("#tree li", has_text="Sector 01").click()
    expect(row(page, IP2)).to_have_count(0)
    expect(row(page, IP1)).to_be_visible()
    page.reload()
    expect(row(page, IP1)).to_be_visible()
    expect(row(page, IP2)).to_have_count(0)
    page.go_back()
    expect(row(page, IP2)).to_be_visible()


def test_the_tree_by_keyboard(page, plant):
    page.goto(plant.address)
    page.locator("#tree li", has_text="Demo").focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#tree li:focus")).to_contain_text("RF")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#tree li:focus")).to_contain_text("Sector 01")
    page.keyboard.press("Enter")
    expect(page.locator("#crumbs")).to_contain_text("Sector 01")


def test_search_and_severity(page, plant):
    plant.put("IP1", "MINOR", "HIGH_ALARM")
    plant.put("CAV1", "MAJOR", "HIHI_ALARM")
    page.goto(plant.address)
    expect(row(page, IP1)).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("ion PRESSURE")
    expect(row(page, CAV)).to_have_count(0)
    expect(row(page, IP1)).to_be_visible()
    assert "q=ion+PRESSURE" in page.url
    page.keyboard.press("Escape")
    expect(row(page, CAV)).to_be_visible()
    page.locator('#chips [data-kind="MAJOR"]').click()
    expect(row(page, IP1)).to_have_count(0)
    expect(page.locator("#counts [data-kind=MINOR] b")).to_have_text("1"), "the head counts everything, whatever the filter"


def test_all_alarms_and_events(page, plant):
    plant.put("IP1", "MINOR", "HIGH_ALARM")
    page.goto(plant.address)
    tab(page, "all")
    expect(page.locator("#table tbody tr[data-path]")).to_have_count(4)
    expect(severity(page, IP1)).to_have_text("MINOR")
    plant.put("IP2", "MAJOR", "HIHI_ALARM")
    expect(severity(page, IP2)).to_have_text("MAJOR")
    tab(page, "events")
    events = page.locator("#table tbody tr[data-path]")
    expect(events.first).to_contain_text("IP2")
    plant.put("CAV1", "INVALID", "LINK_ALARM")
    expect(events.first).to_contain_text("CAV1")


def test_keyboard_alone(operator, plant):
    plant.put("IP1", "MAJOR", "HIHI_ALARM")
    plant.put("IP2", "MINOR", "HIGH_ALARM")
    expect(row(operator, IP2)).to_be_visible()
    operator.locator("#scroller").focus()
    operator.keyboard.press("ArrowDown")
    operator.keyboard.press("ArrowDown")
    operator.keyboard.press("Enter")
    expect(operator.locator("#detail h2")).to_have_text("IP2")
    operator.keyboard.press("Escape")
    expect(operator.locator("#detail")).to_be_hidden()
    look(operator, plant)
    operator.keyboard.press("a")
    expect(row(operator, IP2)).to_have_count(0)
    expect(row(operator, IP1)).to_be_visible()


def test_details_with_guidance(page, plant):
    plant.put("IP1", "MAJOR", "HIHI_ALARM", "3.5e-6")
    page.goto(f"{plant.address}/a?path={IP1}")
    detail = page.locator("#detail")
    expect(detail.locator("h2")).to_have_text("IP1")
    expect(detail.locator(".badge.big")).to_have_text("MAJOR")
    expect(detail.locator(".guidance strong")).to_have_text("4711")
    expect(detail.locator(".guidance")).to_contain_text("Call the vacuum group")
    expect(detail.locator(".guidance h4")).to_have_text("Pressure")
    expect(detail.locator(".links a")).to_have_attribute("href", "https://wiki.example.org/ip")
    expect(detail.locator(".settings")).to_contain_text("stays until acknowledged")
    expect(detail.locator(".events li").first).to_contain_text("alarm")
    plant.put("IP1", "INVALID", "LINK_ALARM")
    expect(detail.locator(".badge.big")).to_have_text("INVALID")
    expect(detail.locator(".events li").first).to_contain_text("INVALID")


def test_short_guidance_is_not_said_twice(page, plant):
    page.goto(f"{plant.address}/a?path={IP2}")
    guidance = page.locator("#detail .guidance")
    expect(guidance.locator(".html")).to_have_text("Exchange it")
    expect(guidance.locator("h4")).to_have_count(0)


def test_a_link_to_a_component_is_a_filter(page, plant):
    plant.put("IP1", "MAJOR", "HIHI_ALARM")
    plant.put("CAV1", "MAJOR", "HIHI_ALARM")
    page.goto(f"{plant.address}/a?path=/Demo/Vacuum")
    expect(row(page, IP1)).to_be_visible()
    expect(row(page, CAV)).to_have_count(0)
    expect(page.locator("#detail")).to_be_hidden()


def test_texts_from_elsewhere_are_never_markup(page, plant):
    plant.put("XSS", "MAJOR", "<img src=x onerror=document.title='message'>", "<script>document.title='value'</script>")
    page.goto(f"{plant.address}/a?path={XSS}")
    expect(row(page, XSS)).to_contain_text("<img src=x onerror")
    expect(page.locator("#detail .what")).to_contain_text("<img src=x onerror")
    expect(page.locator("#detail .guidance")).to_contain_text("Careful")
    expect(page.locator("#detail .settings dl")).to_be_visible()
    assert page.locator("#table img, #detail img, #detail script, #detail iframe").count() == 0
    assert page.locator('#detail a[href^="javascript"]').count() == 0
    expect(page).to_have_title("(1) Demo – tocsin")


def test_the_banner_when_life_signs_stop(page, plant):
    plant.put("IP1", "MAJOR", "HIHI_ALARM")
    page.goto(plant.address)
    live(page)
    expect(page.locator("#engine-state")).to_have_text("LIVE")
    plant.engine_off()
    banner = page.locator("#banner")
    expect(banner).to_be_visible(timeout=BLIND_MS)
    expect(banner).to_contain_text("STALE")
    assert page.title().startswith("STALE")
    box = banner.bounding_box()
    assert box
    assert (box["x"], box["width"]) == (0, page.viewport_size["width"])
    pick(page, IP1)
    expect(page.locator("#actions [data-command=acknowledge]").first).to_be_disabled()
    plant.engine_on()
    live(page)
    expect(severity(page, IP1)).to_have_text("MAJOR")


def test_the_banner_when_the_server_is_gone(page, plant):
    plant.put("IP1", "MAJOR", "HIHI_ALARM")
    page.goto(plant.address)
    live(page)
    plant.server_off()
    expect(page.locator("#banner")).to_contain_text("NO CONNECTION", timeout=BLIND_MS)
    plant.put("CAV1", "INVALID", "LINK_ALARM")
    plant.server_on()
    live(page)
    expect(severity(page, CAV)).to_have_text("INVALID")
    expect(severity(page, IP1)).to_have_text("MAJOR")


def test_an_empty_table_is_no_good_news_without_an_engine(page, plant):
    plant.engine_off()
    page.goto(plant.address)
    expect(page.locator("#banner")).to_contain_text("STALE", timeout=BLIND_MS)
    expect(page.locator("#empty:visible")).to_have_text("NOT KNOWN: see the banner above.")


def test_an_empty_table_is_no_good_news_before_pvs_have_come(page, plant):
    page.goto(plant.address)
    live(page)
    empty = page.locator("#empty:visible")
    expect(empty).to_have_text("No active alarms, but nothing is known yet of 4.")
    for pv in ("IP1", "IP2", "CAV1", "XSS"):
        plant.put(pv, "OK", "NO_ALARM")
    expect(empty).to_have_text("No active alarms. The engine is live.")


def test_what_was_answered_before_the_journal_was_read_is_not_shown(page, plant):
    plant.put("IP1", "MAJOR", "HIHI_ALARM")
    early = {"as_of": None, "age_s": None, "stale": True, "total": 0, "alarms": [], "next": None}
    page.route("**/api/v1/alarms?*", lambda route: route.fulfill(json=early), times=1)
    page.goto(plant.address)
    live(page)
    expect(severity(page, IP1)).to_have_text("MAJOR")


def test_new_settings_are_seen_without_a_reload(page, plant):
    page.goto(plant.address)
    live(page)
    plant.configure("/Demo/Cryo/TT1", "Helium temperature")
    expect(page.locator("#tree li", has_text="Cryo")).to_be_visible()
    plant.put("TT1", "MAJOR", "HIHI_ALARM")
    expect(severity(page, "/Demo/Cryo/TT1")).to_have_text("MAJOR")
    plant.configure("/Demo/Cryo/TT1", None)
    expect(row(page, "/Demo/Cryo/TT1")).to_have_count(0)


def test_files_that_were_refused_and_edits_by_hand_are_said(page, plant):
    page.clock.install()  # the page asks every 10 s
    commit = Commit("8f4e2b6c1d0a9e8f", "Mara", "Raise the limit")
    faults = ('tree.yaml:6: <b>delay</b>: "soon" is not a duration', "tree.yaml:7: unknown key")
    plant.report(FileReport(Nanos(1), "git-sync-0", commit, faults, 2))
    page.goto(plant.address)
    live(page)
    bar = page.locator("#files")
    expect(bar).to_contain_text("New alarm files of commit 8f4e2b6c1d0a by Mara are refused: 2 errors. What was there stays in force.")
    bar.locator("summary").click()
    expect(bar.locator("li")).to_have_text(faults)
    drift = (Drift(IP1, "edited", ("delay_s", "description")),)
    plant.report(FileReport(Nanos(2), "git-sync-0", commit, drift=drift, drift_count=1))
    page.clock.fast_forward(10_000)
    expect(bar).to_contain_text("1 entry of the alarm tree", timeout=BLIND_MS)
    expect(bar.locator("li")).to_have_text(f"{IP1}: edited (delay_s, description)")
    plant.report(FileReport(Nanos(3), "git-sync-0", commit))
    page.clock.fast_forward(10_000)
    expect(bar).to_be_hidden(timeout=BLIND_MS)


def test_themes(page, plant):
    page.emulate_media(color_scheme="light")
    page.goto(plant.address)
    body = page.locator("body")
    expect(body).to_have_css("background-color", "rgb(238, 241, 243)")
    page.locator("#theme").click()
    expect(body).to_have_css("background-color", "rgb(16, 20, 24)")
    page.reload()
    expect(body).to_have_css("background-color", "rgb(16, 20, 24)")
    page.locator("#theme").click()
    page.locator("#theme").click()
    expect(body).to_have_css("background-color", "rgb(238, 241, 243)")
