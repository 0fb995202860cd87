"""The contract of the plugin."""

from __future__ import annotations

from c3core.testing import PluginContract


class TestPlugin(PluginContract):
    plugin = "c3_metrics"
