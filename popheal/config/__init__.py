"""From a configuration file to settings."""

from popheal.config.load import Config, load_config, load_journal_path

__all__ = ["Config", "load_config", "load_journal_path"]
