/*
 * The verifier: whether a unit of IR keeps the rules (patchbay/ir.h, core/ir/ops.def).
 *
 * It checks that
 *   - blocks are built, do not overlap, and have exactly one terminator, at their end; every block can be
 *     reached; parameters come first, and every branch brings values of their number and types; constants
 *     have no bits above their types;
 *   - operands are defined before they are used, in a block that dominates the use; types are as the
 *     operation's row says; attributes are in range; lanes fit vectors and scalars;
 *   - slots exist, have the value's type, and are not the pc slot; helpers exist and are called with the types
 *     that they declare;
 *   - instruction marks rise, a block that does not begin with one continues the instruction that all its
 *     predecessors ended in, and every operation that may fault belongs to one;
 *   - nothing that may fault comes after a put of the same instruction, on any path.
 */
#ifndef CORE_IR_VERIFY_H
#define CORE_IR_VERIFY_H

#include <core/ir/unit.h>

/* False with the error set (PB_IR_ERROR, PB_IR_ERROR_INVALID): block, record and what is wrong. */
bool pb_ir_verify(const ir_unit *unit, GError **error);

#endif
