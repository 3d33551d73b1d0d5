/* Telling people what is emitted. All but the first are called if cg.noting. */
#ifndef CODEGEN_X86_64_NOTE_H
#define CODEGEN_X86_64_NOTE_H

#include "codegen.h"

/* Sets cg.noting. */
void cg_note_begin(cg *c);
/* What the passes before emission did (passes.h), each behind it. */
void cg_note_flags(const cg *c);
void cg_note_dead(const cg *c);
void cg_note_patterns(const cg *c);
void cg_note_registers(const cg *c);
void cg_note_places(const cg *c);
/* While code is emitted: what follows is of spans; the access of that record is a member of the span that this one begins. */
void cg_note_spans(const cg *c);
void cg_note_member(const cg *c, uint32_t record);
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
