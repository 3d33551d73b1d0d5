/* Wrong code on purpose. */
#ifndef CODEGEN_X86_64_INJECT_H
#define CODEGEN_X86_64_INJECT_H

#include "codegen.h"

/* Read the property; false: it is wrong, or the environment does not agree. */
bool inject_init(x86_codegen *s, pb_error *error);
/* Behind a record's code, if there is an x86_codegen.inject_pc. */
void inject(cg *c, uint32_t record);

#endif
