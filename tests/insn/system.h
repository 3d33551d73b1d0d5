/*
 * The machine that executes system cases (system/README.md): reads the files that make it up, puts cases or
 * probes into its memory and runs them.
 */
#ifndef TESTS_INSN_SYSTEM_H
#define TESTS_INSN_SYSTEM_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define SYSTEM_CODE     UINT64_C(0x40220000)
#define SYSTEM_MAX_CODE 64
#define SYSTEM_EL3      3u

/* A system register that cases set and compare. */
typedef struct system_register {
    char *name;
    uint32_t encoding; /* op0, op1, CRn, CRm, op2 as MRS has them, op2 in bits 2:0 */
    uint64_t reset;    /* what it holds when a case says nothing */
    char *model;       /* that has it, or "all" */
} system_register;

/* The files of a folder: monitor.txt, memory.txt, registers.txt. */
typedef struct system_files {
    GArray *words;     /* of system_word */
    GArray *doubles;   /* of system_double */
    GArray *registers; /* of system_register */
    const char *accel; /* of the processors, with settings (one_cpu.h): "interp" at first */
} system_files;

typedef struct system_word {
    uint64_t address;
    uint32_t value;
} system_word;

typedef struct system_double {
    uint64_t address, value;
} system_double;

/* What can be compared. sys and words are as many as the case's registers and words of memory. */
typedef struct system_state {
    uint64_t to; /* vector of the exception that ended the case: level << 12 | offset */
    uint64_t x[31];
    uint64_t *sys;   /* by number of register */
    uint64_t *words; /* values, by number */
} system_state;

typedef struct system_case {
    uint64_t pstate, pc; /* that it is entered with */
    uint32_t code[SYSTEM_MAX_CODE];
    uint32_t n_code;
    uint64_t x[31];
    uint64_t *sys;      /* values of all registers */
    bool *set;          /* those that differ from what every case has */
    GArray *words;      /* of system_double: memory that it writes first */
    system_state after; /* result */
} system_case;

/* After an exception to the monitor: its vector, ESR of the level, x0. */
typedef struct system_probe {
    uint32_t code[4];
    uint64_t to, esr, x0;
} system_probe;

typedef struct system_setting {
    const system_register *reg;
    uint64_t value;
} system_setting;

/* Exits with a message if a file cannot be read. */
system_files *system_files_new(const char *folder);
void system_files_free(system_files *files);
/* The registers of a model, pointers into `files`. */
GPtrArray *system_registers_of(const system_files *files, const char *model);

/* Execute cases of one model (registers as system_registers_of() has them). False, with a message printed, if the
 * machine does not come to the end. */
bool system_run_cases(const system_files *files, const char *model, GPtrArray *registers,
                      system_case **cases, uint32_t n);
/* Execute probes at a PSTATE: as the machine is after reset, and with registers that are set first. */
bool system_run_probes(const system_files *files, const char *model, uint64_t pstate,
                       const system_setting *settings, uint32_t n_settings, system_probe *probes,
                       uint32_t n);

/* Reading: the lines of a file, and numbers. Print and exit with status 2. */
char **system_read_lines(const char *path);
uint64_t system_number(const char *path, unsigned line, const char *text);
G_GNUC_NORETURN void system_refuse(const char *path, unsigned line, const char *what);

#endif
