# One image for all roles of tocsin: engine, history, backend, sync, demo. See docs/how-to/run-in-containers.md
#
#   docker build -t tocsin:0.1.0 --build-arg REVISION="$(git rev-parse HEAD)" .
FROM docker.io/library/python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /usr/src/tocsin

# What others made: only wheels, only those whose hashes are in the lock files (`make lock` writes them anew). Bytecode is written now, for
# nothing can be written later; nor is there a pip in what is copied from here.
COPY requirements.lock requirements-build.lock ./
RUN python -m venv /opt/build \
    && /opt/build/bin/python -m pip install --quiet --no-compile --require-hashes --only-binary :all: -r requirements-build.lock \
    && python -m venv --without-pip /opt/tocsin \
    && /opt/build/bin/python -m pip --python /opt/tocsin/bin/python \
        install --quiet --no-compile --require-hashes --only-binary :all: -r requirements.lock \
    && /opt/tocsin/bin/python -m compileall -q -j 0 /opt/tocsin/lib

# What is ours.
COPY pyproject.toml README.md ./
COPY alarm_engine alarm_engine
COPY backend backend
COPY dashboards dashboards
COPY provisioning provisioning
COPY tocsin tocsin
RUN /opt/build/bin/python -m pip wheel --quiet --no-deps --no-index --no-build-isolation --wheel-dir dist . \
    && /opt/build/bin/python -m pip --python /opt/tocsin/bin/python install --quiet --no-deps --no-index dist/*.whl \
    && /opt/build/bin/python -m pip --python /opt/tocsin/bin/python check

FROM docker.io/library/python:3.11-slim-bookworm
ARG REVISION=unknown
LABEL org.opencontainers.image.title="tocsin" \
      org.opencontainers.image.description="Alarm system for EPICS control rooms" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.documentation="docs/how-to/run-in-containers.md"
COPY --from=build /opt/tocsin /opt/tocsin
# A volume that is mounted here belongs to the user below; all else may be read only. Grafana, another user, reads its files in it.
RUN install -d -o 10001 -g 10001 -m 0755 /var/lib/tocsin
ENV PATH=/opt/tocsin/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /var/lib/tocsin
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["/opt/tocsin/bin/python", "-m", "tocsin.healthy"]
ENTRYPOINT ["/opt/tocsin/bin/tocsin"]
CMD ["run", "--settings", "/etc/tocsin/site.yaml"]
