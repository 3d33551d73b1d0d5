/*
 * Names of guest code: where logs, traces and reports show a guest's address, they tell what is there.
 *
 * For the process, from files that the user gave. Without them every function here returns at once.
 */
#ifndef CORE_TRACE_SYMBOLS_H
#define CORE_TRACE_SYMBOLS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Add the symbols of "FILE" or "FILE,offset=N": an ELF file's, or lines "address type name" as of System.map and
 * /proc/kallsyms. N, which may be negative, is how much higher than the file says its code is. Of files with the same
 * addresses the last one counts. [setup] */
bool pb_symbols_add(const char *spec, GError **error);
/* Forget all. [setup] */
void pb_symbols_reset(void);

/* Append "name" or "name+0x10"; false: there is no name. [any] */
bool pb_symbols_name(uint64_t address, GString *text);
/* The addresses of a name; false: there is none. [any] */
bool pb_symbols_find(const char *name, uint64_t *first, uint64_t *last);
/* Insert " <name+0x10>" behind every hexadecimal number, from byte `from` of the text on, that is an address with a
 * name. Numbers below 4096 are left alone, they mean other things. [any] */
void pb_symbols_annotate(GString *text, gsize from);

#endif
