/* A few types for tests of the composer: a UART, an interrupt controller, a bus and its cards. */
#ifndef TESTS_UNIT_MACHINE_CATALOG_H
#define TESTS_UNIT_MACHINE_CATALOG_H

#include <core/machine/plan.h>
#include <core/machine/source.h>
#include <patchbay/loader.h>

/* A machine file's text, composed with the types of this catalog. */
typedef struct composed {
    pb_yaml *yaml;
    pb_diags *diags;
    pb_plan *plan;
    char *errors;
} composed;

composed compose_text_with(const char *text, const pb_plan_options *options);
composed compose_file_with(const char *file, const pb_plan_options *options);
composed compose_string(const char *text);
void composed_free(composed *c);

#endif
