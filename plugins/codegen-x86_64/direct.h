/* Direct memory, for the slow path; the rest is in codegen.h. */
#ifndef CODEGEN_X86_64_DIRECT_H
#define CODEGEN_X86_64_DIRECT_H

#include "codegen.h"

/* Whether accesses that rely on this address's being in the window fault in the host, if it is not. */
bool direct_is_near(const pb_vcpu *vcpu, uint64_t gva);

#endif
