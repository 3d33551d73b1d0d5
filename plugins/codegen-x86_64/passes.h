/*
 * What the generator does to make code better, by name: to turn off what is suspected (property `without`), and to tell what
 * each did. Code without any of them is right too, so a fault that is gone without one lies there.
 */
#ifndef CODEGEN_X86_64_PASSES_H
#define CODEGEN_X86_64_PASSES_H

#include "codegen.h"

/* Read the property, names joined by '+'; false: there is no such pass. */
bool passes_init(x86_codegen *s, pb_error *error);
/* The passes of a name, at most `length` bytes; 0: there is none. */
uint32_t passes_named(const char *text, size_t length);
/* The name of one pass. */
const char *passes_name(cg_pass pass);

#endif
