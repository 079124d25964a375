"""Examination of a site, for `tocsin doctor`: small checks, each of which tells what is good and what is not, and what to do."""
