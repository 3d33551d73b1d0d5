/* Telling people what is emitted. All but the first are called if cg.noting. */
#ifndef CODEGEN_X86_64_NOTE_H
#define CODEGEN_X86_64_NOTE_H

#include "codegen.h"

/* Sets cg.noting. */
void cg_note_begin(cg *c);
/* Before a record's code; of a record that has none; behind its code, while its operands are where they were. */
void cg_note_record(const cg *c, uint32_t record);
void cg_note_skipped(const cg *c, uint32_t record);
void cg_note_results(const cg *c, uint32_t record);
/* Before a path off the main one, then what its map of n slots, or its site record, says. */
void cg_note_path(const cg *c, uint32_t record, const char *what);
void cg_note_map(const cg *c, uint32_t record, const uint8_t *map, uint32_t n);
void cg_note_site(const cg *c, uint32_t record, const uint8_t *site);
/* Before data. */
void cg_note_data(const cg *c);

#endif
