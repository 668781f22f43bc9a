"""What `docs/build_api.py` builds `docs/api.md` with. Needs the standard library only."""
