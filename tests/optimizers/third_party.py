"""Optimizers in the manner of published packages for Keras 1 and 2, written for these tests."""

from __future__ import annotations

from multikeras import backend as K
from multikeras import optimizers
from multikeras.optimizers import Optimizer


class MultipliedSGD(Optimizer):
    """Keras 2.2's way: own variables named lr and decay, a rate for every layer, constraints by hand."""

    def __init__(self, lr=0.01, momentum=0.0, decay=0.0, multipliers=None, **kwargs):
        super().__init__(**kwargs)
        with K.name_scope(self.__class__.__name__):
            self.iterations = K.variable(0, dtype="int64", name="iterations")
            self.lr = K.variable(lr, name="lr")
            self.momentum = K.variable(momentum, name="momentum")
            self.decay = K.variable(decay, name="decay")
        self.initial_decay = decay
        self.multipliers = multipliers or {}

    def get_updates(self, loss, params):
        grads = self.get_gradients(loss, params)
        self.updates = [K.update_add(self.iterations, 1)]
        lr = self.lr
        if self.initial_decay > 0:
            lr = lr * (1.0 / (1.0 + self.decay * K.cast(self.iterations, K.dtype(self.decay))))
        shapes = [K.int_shape(p) for p in params]
        moments = [K.zeros(shape) for shape in shapes]
        self.weights = [self.iterations] + moments
        for p, g, m in zip(params, grads, moments, strict=True):
            factor = next((f for part, f in self.multipliers.items() if part in p.name), 1.0)
            v = self.momentum * m - lr * factor * g
            self.updates.append(K.update(m, v))
            new_p = p + v
            if getattr(p, "constraint", None) is not None:
                new_p = p.constraint(new_p)
            self.updates.append(K.update(p, new_p))
        return self.updates

    def get_config(self):
        config = {
            "lr": float(K.get_value(self.lr)),
            "momentum": float(K.get_value(self.momentum)),
            "decay": float(K.get_value(self.decay)),
            "multipliers": self.multipliers,
        }
        base_config = super().get_config()
        return dict(list(base_config.items()) + list(config.items()))


class SlowWeights(Optimizer):
    """A wrapper that replaces K's updates while the other optimizer makes its own, and knows variables by name."""

    def __init__(self, optimizer, sync_period=3, slow_step=0.5, **kwargs):
        super().__init__(**kwargs)
        self.optimizer = optimizers.get(optimizer)
        with K.name_scope(self.__class__.__name__):
            self.sync_period = K.variable(sync_period, dtype="int64", name="sync_period")
            self.slow_step = K.variable(slow_step, name="slow_step")

    @property
    def lr(self):
        return self.optimizer.lr

    @lr.setter
    def lr(self, lr):
        self.optimizer.lr = lr

    @property
    def learning_rate(self):
        return self.optimizer.learning_rate

    @property
    def iterations(self):
        return self.optimizer.iterations

    def get_updates(self, loss, params):
        count = self.iterations + 1
        sync = K.equal(count // self.sync_period * self.sync_period, count)
        slow = {p.name: K.variable(K.get_value(p), name=f"sp_{i}") for i, p in enumerate(params)}
        names = ["update", "update_add", "update_sub"]
        originals = [getattr(K, name) for name in names]
        for name in names:
            setattr(K, name, lambda x, new, name=name: (name, x, new))
        try:
            self.updates = list(self.optimizer.get_updates(loss, params))
        finally:
            for name, original in zip(names, originals, strict=True):
                setattr(K, name, original)
        more = []
        for i, (name, x, new) in enumerate(self.updates):
            changed = {"update": lambda x, n: n, "update_add": lambda x, n: x + n, "update_sub": lambda x, n: x - n}
            if x.name not in slow:
                self.updates[i] = getattr(K, name)(x, new)
                continue
            kept = slow[x.name]
            new = changed[name](x, new)
            moved = kept + self.slow_step * (new - kept)
            more.append(K.update(kept, K.switch(sync, moved, kept)))
            self.updates[i] = K.update(x, K.switch(sync, moved, new))
        self.updates += more
        self.weights = self.optimizer.weights + list(slow.values())
        return self.updates

    def get_config(self):
        config = {
            "optimizer": optimizers.serialize(self.optimizer),
            "sync_period": int(K.get_value(self.sync_period)),
            "slow_step": float(K.get_value(self.slow_step)),
        }
        return {**super().get_config(), **config}


class Accumulated(Optimizer):
    """A wrapper that sums gradients over some steps: it takes the other's get_gradients and rate away."""

    def __init__(self, optimizer, steps_per_update=2, **kwargs):
        super().__init__(**kwargs)
        self.optimizer = optimizer
        with K.name_scope(self.__class__.__name__):
            self.steps_per_update = steps_per_update
            self.iterations = K.variable(0, dtype="int64", name="iterations")
            self.cond = K.equal(self.iterations % self.steps_per_update, self.steps_per_update - 1)
            self.lr = self.optimizer.lr
            self.optimizer.lr = K.switch(self.cond, self.optimizer.lr, 0.0)
            for name in ("rho", "beta_1", "beta_2"):
                if hasattr(self.optimizer, name):
                    value = getattr(self.optimizer, name)
                    setattr(self, name, value)
                    # Such shares leave means nearly as they are.
                    setattr(self.optimizer, name, K.switch(self.cond, value, 1.0 - 1e-7))
            for name in self.optimizer.get_config():
                if not hasattr(self, name):
                    setattr(self, name, getattr(self.optimizer, name))
            self.optimizer.get_gradients = lambda loss, params: [g / self.steps_per_update for g in self.sums]

    def get_updates(self, loss, params):
        self.updates = [
            K.update_add(self.iterations, 1),
            K.update_add(self.optimizer.iterations, K.cast(self.cond, "int64")),
        ]
        kept = [K.zeros(K.int_shape(p), dtype=K.dtype(p)) for p in params]
        grads = self.get_gradients(loss, params)
        self.sums = [k + g for k, g in zip(kept, grads, strict=True)]
        for k, total in zip(kept, self.sums, strict=True):
            self.updates.append(K.update(k, K.switch(self.cond, K.zeros_like(k), total)))
        self.updates.extend(self.optimizer.get_updates(loss, params)[1:])
        self.weights = [self.iterations, *self.optimizer.weights, *kept]
        return self.updates


class Signed(Optimizer):
    """Keras 1's form, `(params, constraints, loss)`, with pairs as updates."""

    def __init__(self, lr=0.01, **kwargs):
        super().__init__(**kwargs)
        self.__dict__.update(locals())
        self.lr = K.variable(lr)

    def get_updates(self, params, constraints, loss):
        grads = self.get_gradients(loss, params)
        self.updates = []
        for p, g in zip(params, grads, strict=True):
            new_p = p - self.lr * K.sign(g)
            if p in constraints:
                new_p = constraints[p](new_p)
            self.updates.append((p, new_p))
        return self.updates

    def get_config(self):
        return {"lr": float(K.get_value(self.lr))}


class NoisyAdam(optimizers.Adam):
    """A built-in one extended: gradients changed on their way, further updates added, one of them None."""

    def __init__(self, noise=0.0, **kwargs):
        super().__init__(**kwargs)
        self.noise = noise

    def get_gradients(self, loss, params):
        return [g + self.noise for g in super().get_gradients(loss, params)]

    def get_updates(self, loss, params):
        updates = super().get_updates(loss, params)
        self.seen = K.variable(0.0, name="seen")
        updates += [K.update_add(self.seen, 1.0), None]
        return updates

    def get_config(self):
        return {**super().get_config(), "noise": self.noise}
