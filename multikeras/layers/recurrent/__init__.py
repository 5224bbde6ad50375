"""Recurrent layers: one loop, `RNN`, and the cells that say what a step does."""

from multikeras.layers.recurrent.cudnn import CuDNNGRU, CuDNNLSTM
from multikeras.layers.recurrent.gru import GRU, GRUCell
from multikeras.layers.recurrent.lstm import LSTM, LSTMCell
from multikeras.layers.recurrent.rnn import RNN
from multikeras.layers.recurrent.simple import SimpleRNN, SimpleRNNCell
from multikeras.layers.recurrent.stacked import StackedRNNCells

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "CuDNNGRU",
    "CuDNNLSTM",
    "GRUCell",
    "LSTMCell",
    "SimpleRNN",
    "SimpleRNNCell",
    "StackedRNNCells",
]
