"""Errors of the training package, named for the boundary that was crossed."""


class TrainingError(Exception):
    """Base of every error this package raises on purpose."""


class EngineError(TrainingError):
    """vLLM or verl could not be started, or did not do what it was started for."""


class InputFileError(TrainingError):
    """A file to read is missing, unreadable, or holds nothing that can be used; the message names it."""


class DatasetError(TrainingError):
    """A data set cannot be built, is damaged, or must not be trained on; the message tells the repair."""


class ConfigError(TrainingError):
    """A configuration is missing, misspelt or impossible; the message names the key and the repair."""


class StoppedError(TrainingError):
    """A run was ended by rule; the message names the signal and where the last checkpoint is."""


class JudgeCheckError(TrainingError):
    """Nothing may be trained on this judge, for it was not checked or failed its check; the message says which."""
