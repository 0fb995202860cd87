"""The contract of the plugin."""

from __future__ import annotations

from c3_testing import PluginContract


class TestPlugin(PluginContract):
    plugin = "c3_metrics"
