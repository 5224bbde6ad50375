"""Where this backend gives something else than the conformance suite expects."""

_COFACTOR = "without a kernel for cofactor, its composition divides by the determinant of a matrix above 16 by 16"

DIFFERENCES = {
    "value cofactor/large and singular": _COFACTOR,
    "unknown_lengths cofactor/large and singular": _COFACTOR,
}
