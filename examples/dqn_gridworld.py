"""Deep Q-learning: a network finds its way through a small maze by trial and error.

    python examples/dqn_gridworld.py

After Mnih and others ("Human-level control through deep reinforcement learning", 2015). The loss compares the value
of what was done with what a slower copy of the network expects of the next state. `compile` has no place for that: the
updates of an optimizer of one's own become those of a `K.function`, and another function moves the copy.
"""

from collections import deque

import numpy as np

from multikeras import backend as K
from multikeras.layers import Dense
from multikeras.models import Sequential, clone_model
from multikeras.optimizers import Optimizer

MAZE = ["S..#.", ".#.#.", "....O", ".#O..", "...#G"]  # start, wall, hole, goal
CELLS = len(MAZE) * len(MAZE[0])
MOVES = [(-1, 0), (1, 0), (0, -1), (0, 1)]
EPISODES, LONGEST = 120, 40
GAMMA, BATCH = 0.95, 32

np.random.seed(9)


def step(state, action):
    """Returns the next state, the reward, and whether the game is over."""
    row, column = divmod(state, len(MAZE[0]))
    row, column = row + MOVES[action][0], column + MOVES[action][1]
    inside = 0 <= row < len(MAZE) and 0 <= column < len(MAZE[0])
    if not inside or MAZE[row][column] == "#":
        return state, -0.05, False
    reward = {"G": 1.0, "O": -1.0}.get(MAZE[row][column], -0.02)
    return row * len(MAZE[0]) + column, reward, abs(reward) == 1


class CentredRMSprop(Optimizer):
    """RMSprop as in the paper: a gradient is divided by the standard deviation of those before."""

    def __init__(self, lr=0.003, **kwargs):
        super().__init__(**kwargs)
        self.lr = K.variable(lr, name="lr")

    def get_updates(self, loss, params):
        self.updates = []
        for param, gradient in zip(params, self.get_gradients(loss, params), strict=True):
            mean, square = K.zeros(K.int_shape(param)), K.zeros(K.int_shape(param))
            new_mean = 0.95 * mean + 0.05 * gradient
            new_square = 0.95 * square + 0.05 * K.square(gradient)
            change = self.lr * gradient / K.sqrt(new_square - K.square(new_mean) + 1e-4)
            self.updates += [K.update(mean, new_mean), K.update(square, new_square), K.update(param, param - change)]
        return self.updates


online = Sequential([Dense(32, activation="relu", input_dim=CELLS), Dense(len(MOVES))])
target = clone_model(online)
target.set_weights(online.get_weights())

states = K.placeholder((None, CELLS))
actions = K.placeholder((None,), dtype="int32")
rewards = K.placeholder((None,))
next_states = K.placeholder((None, CELLS))
running = K.placeholder((None,))

value = K.sum(online(states) * K.one_hot(actions, len(MOVES)), axis=-1)
# The online network picks the next move, the copy says what it is worth (van Hasselt, Guez and Silver, 2015).
best = K.one_hot(K.argmax(online(next_states)), len(MOVES))
expected = rewards + GAMMA * running * K.sum(target(next_states) * best, axis=-1)
error = K.abs(value - K.stop_gradient(expected))
loss = K.mean(K.switch(error < 1, 0.5 * K.square(error), error - 0.5))  # Huber's

updates = CentredRMSprop().get_updates(loss=loss, params=online.trainable_weights)
learn = K.function([states, actions, rewards, next_states, running], [loss], updates=updates)
pairs = zip(target.weights, online.weights, strict=True)
follow = K.function([], [], updates=[K.update(slow, 0.9 * slow + 0.1 * fast) for slow, fast in pairs])
decide = K.function([states], [K.argmax(online(states))])

one_hot = np.eye(CELLS)


def greedy(state):
    return int(decide([one_hot[[state]]])[0][0])


def walk():
    """Returns the steps of the way that the network takes from the start, and whether it ends at the goal."""
    state, reward = 0, 0.0
    for taken in range(LONGEST):
        state, reward, over = step(state, greedy(state))
        if over:
            return taken + 1, reward == 1
    return LONGEST, False


memory = deque(maxlen=2000)
losses = []
for episode in range(EPISODES):
    curiosity = max(0.05, 1 - episode / 80)
    state = 0
    for _ in range(LONGEST):
        action = np.random.randint(len(MOVES)) if np.random.rand() < curiosity else greedy(state)
        next_state, reward, over = step(state, action)
        memory.append((state, action, reward, next_state, 1.0 - over))
        state = next_state
        if len(memory) >= BATCH:
            chosen = [memory[index] for index in np.random.randint(len(memory), size=BATCH)]
            was, did, got, came, goes_on = map(np.array, zip(*chosen, strict=True))
            losses.append(float(learn([one_hot[was], did, got, one_hot[came], goes_on])[0]))
            follow([])
        if over:
            break
    if (episode + 1) % 20 == 0:
        print(f"episode {episode + 1}: loss {np.mean(losses[-100:]):.4f}, way {walk()}")

steps, arrived = walk()
print(f"Loss of the first step: {losses[0]:.5f}")
print(f"Goal reached: {int(arrived)}")
print(f"Steps to the goal: {steps}")
