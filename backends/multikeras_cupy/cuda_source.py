"""The CUDA C of the kernels that CuPy compiles at first use.

It stands apart from CuPy so that tests can compile the same text for the host where there is no GPU.
"""

from __future__ import annotations

from multikeras_arrays.random import FIRST_FACTOR, FOLD_OFFSET, SECOND_FACTOR, STEP

#: The finalizer of `multikeras_arrays.random`.
MIX = f"""
__device__ inline unsigned int multikeras_mix(unsigned int x) {{
    x ^= x >> 16;
    x *= {FIRST_FACTOR}u;
    x ^= x >> 15;
    x *= {SECOND_FACTOR}u;
    return x ^ (x >> 16);
}}
"""

#: `key` to `bits`; `i` is the position.
RANDOM_BITS = f"bits = multikeras_mix(multikeras_mix((unsigned int)i * {STEP}u + key[0]) ^ key[1]);"

#: `key` and `number` to the two words of `folded`.
FOLD_IN = f"""
unsigned int first = multikeras_mix(key[0] ^ multikeras_mix((unsigned int)number[0] * {STEP}u + {FOLD_OFFSET}u));
folded = i == 0 ? first : multikeras_mix(key[1] + first);
"""

# An output may be the same memory as its input, so that every entry is read before it is written.
SGD = """
T v_next = momentum * v - lr * g;
p_new = p + v_next;
v_new = v_next;
"""

NESTEROV = """
T v_next = momentum * v - lr * g;
p_new = p + momentum * v_next - lr * g;
v_new = v_next;
"""

RMSPROP = """
T a_next = rho * a + (T(1) - rho) * (g * g);
p_new = p - lr * g / (sqrt(a_next) + epsilon);
a_new = a_next;
"""

ADAM = """
T m_next = beta_1 * m + (T(1) - beta_1) * g;
T v_next = beta_2 * v + (T(1) - beta_2) * (g * g);
p_new = p - lr * m_next / (sqrt(v_next) + epsilon);
m_new = m_next;
v_new = v_next;
"""
