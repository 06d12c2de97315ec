"""Before any test module is imported: every replay is held against the proven bound."""

from __future__ import annotations

import importlib

import watch

engine, package = (importlib.import_module(f"accelsim.replay{name}") for name in (".engine", ""))
engine.replay = package.replay = watch.watched(engine.replay)
