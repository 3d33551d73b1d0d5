/*
 * Constant folding.
 */
#ifndef CORE_IR_FOLD_H
#define CORE_IR_FOLD_H

#include <core/ir/unit.h>

/* Replace pure operations on constants by their results, choices by what they choose, and drop pure
 * operations that nobody uses. The unit must be correct, and stays so. */
void pb_ir_fold(ir_unit *unit);

#endif
