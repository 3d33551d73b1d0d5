/*
 * Sequences for programs, as a64-sequences writes them and runner.c reads them: an array of these, in the byte order of both,
 * which is little-endian.
 */
#ifndef FUZZ_PROGRAMS_H
#define FUZZ_PROGRAMS_H

#include <stdint.h>

enum {
    PAGE = 4096,
    RAM = 0x10000000,
    LOW = RAM,             /* to be read, by literal loads too */
    CODE = RAM + 4 * PAGE, /* two pages, writable and executable */
    CODE_END = CODE + 2 * PAGE,
    DATA = RAM + 20 * PAGE,
    DATA_RO = DATA + 3 * PAGE,   /* cannot be written */
    DATA_NONE = DATA + 5 * PAGE, /* is not there */
    DATA_END = DATA + 20 * PAGE,

    MOST_WORDS = 128,
    RUNS = 3, /* of a sequence, with other operands; memory stays */
};

#define END_WORD UINT32_C(0xd420fca0) /* brk #0x7e5: what a sequence ends with */

typedef struct operands {
    uint64_t x[31], sp, nzcv, fpcr, fpsr, padding;
    uint64_t v[32][2];
} operands;

typedef struct program {
    uint64_t number, start, memory; /* address of the first word; seed of memory */
    uint64_t n;
    uint32_t words[MOST_WORDS];
    uint8_t groups[MOST_WORDS]; /* not 0: words of one number belong together */
    operands runs[RUNS];
} program;

#endif
