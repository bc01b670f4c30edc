// route_select alone, for every format and width.
#include "select.cuh"

#define SELECT(FORMAT, NAME, LANES, PER)                                     \
  KERNEL(128, select_by_logit_##NAME##_##LANES##x##PER, SelectArguments) {   \
    select_by_logit<FORMAT, Ranking<FORMAT::Bits>, LANES, PER>(a, (i64)blockIdx.x * (128 / LANES)); \
  }                                                                          \
  KERNEL(128, select_by_score_##NAME##_##LANES##x##PER, SelectArguments) {   \
    select_by_score<FORMAT, LANES, PER>(a, (i64)blockIdx.x * (128 / LANES)); \
  }
#define SELECT_WIDTHS(FORMAT, NAME) \
  SELECT(FORMAT, NAME, 8, 8)        \
  SELECT(FORMAT, NAME, 16, 8)       \
  SELECT(FORMAT, NAME, 32, 8)       \
  SELECT(FORMAT, NAME, 32, 16)      \
  SELECT(FORMAT, NAME, 32, 32)

SELECT_WIDTHS(Fp32, fp32)
SELECT_WIDTHS(Fp16, fp16)
SELECT_WIDTHS(Bf16, bf16)
