/*
 * Runs a toy machine on an accelerator plugin, opened from its file as a host would.
 */
#ifndef IR_TEST_ACCEL_H
#define IR_TEST_ACCEL_H

#include "toy.h"

/* Open the plugin of an accelerator; ends the program if that fails. */
void accel_open(const char *file);
/* Use this type from here on. */
void accel_use_type(const pb_accel_type *type);

/* An instance of the plugin's type with one vCPU. */
typedef struct accel {
    const pb_accel_type *type;
    void *self;
    toy_machine *m;
} accel;

/* With the machine's translate table; cache_bytes 0: the property's default. */
accel accel_new(toy_machine *m, uint64_t cache_bytes);
void accel_free(accel *a);
/* Run from the pc with a budget; the reason. */
uint32_t accel_run(accel *a, int64_t budget);
void accel_flush(accel *a);
uint64_t accel_statistic(accel *a, const char *name);

/* A translate table that gives this unit for its pc, and for every other pc one that leaves with PB_RUN_DEBUG. */
void accel_use_unit(toy_machine *m, const ir_unit *unit);

#endif
