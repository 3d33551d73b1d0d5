/*
 * The translation cache: what the core answers to PB_EXTENSION_TC (patchbay/tc.h).
 */
#ifndef CORE_TC_TC_H
#define CORE_TC_TC_H

#include <core/bus/bus.h>
#include <patchbay/tc.h>

/* The table. Its open() asks bus_of for the bus of the object's machine, which tells of code that became stale. The
 * same function in all calls. [setup] */
const pb_tc_ops *pb_tc_ops_of(pb_bus *(*bus_of)(pb_object *object));

#endif
