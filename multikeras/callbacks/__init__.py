"""Callbacks: what is told about the training as it goes on."""

from multikeras.callbacks.backup import BackupAndRestore
from multikeras.callbacks.base import BaseLogger, Callback, CallbackList, History, LambdaCallback
from multikeras.callbacks.monitors import EarlyStopping, ModelCheckpoint, ReduceLROnPlateau
from multikeras.callbacks.others import CSVLogger, LearningRateScheduler, TerminateOnNaN
from multikeras.callbacks.progress import ProgbarLogger
from multikeras.callbacks.remote import RemoteMonitor
from multikeras.callbacks.tensorboard import TensorBoard

__all__ = [
    "BackupAndRestore",
    "BaseLogger",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ProgbarLogger",
    "ReduceLROnPlateau",
    "RemoteMonitor",
    "TensorBoard",
    "TerminateOnNaN",
]
