"""Hand-written training loops: what a careful person writes on each library without a framework.

Each module has a class `Trainer`, made from a list of NumPy weights, with two methods:

* `loss_and_gradients(x, y)`: the mean loss and its gradients, without dropout, as NumPy values. Tests compare the
  three libraries through it.
* `run_epoch(x, y, order, batch_size)`: one epoch of updates with dropout, returning mean loss and accuracy.
"""
