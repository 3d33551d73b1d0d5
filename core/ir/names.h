/*
 * Words of the text form that printer and parser share.
 */
#ifndef CORE_IR_NAMES_H
#define CORE_IR_NAMES_H

#include <core/ir/ops.h>

/* By ir_cc: "eq", "ne" ... */
extern const char *const ir_cc_names[16];
/* By pb_mem_order, pb_mem_kind, pb_rmw_op; the first of the former two is not written. */
extern const char *const ir_order_names[8];
extern const char *const ir_kind_names[8];
extern const char *const ir_rmw_names[16];

#endif
