/*
 * Copying from memory that may go away meanwhile: pages that a program unmaps, or that a file does not have any more.
 *
 * Who gives the host's signals handlers asks pb_guard_recover() at SIGSEGV and SIGBUS. Where nobody does (machines, whose RAM does not
 * go away) a copy that fails ends the process, as any access does.
 */
#ifndef CORE_UTIL_GUARD_H
#define CORE_UTIL_GUARD_H

#include <stdbool.h>
#include <stddef.h>

/* Copy `bytes` bytes; false: the host refused to have some of them read. Neither atomic nor ordered. [any thread] */
bool pb_guard_copy(void *to, const void *from, size_t bytes);

/* In a signal's handler, with its third argument (ucontext_t): if a pb_guard_copy() of this thread was interrupted, it
 * returns false when the handler has returned, and this is true. */
bool pb_guard_recover(void *ucontext);

#endif
