"""The HDF5 files of Keras 1 and 2: layout, order of weights, older versions."""
