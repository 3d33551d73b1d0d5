/*
 * What the rules of memory operations share.
 */
#ifndef CODEGEN_X86_64_RULES_MEM_H
#define CODEGEN_X86_64_RULES_MEM_H

#include "rules.h"

/* An access that is probed for. */
typedef struct mem_access {
    const ir_op_record *r, *second; /* null: one access */
    cg_reg address;                 /* clean */
    cg_reg t, u;                    /* scratch; behind the probe the bytes are at [t + address] */
    cg_reg args[3];                 /* registers of the operands */
    uint32_t bytes;
    uint32_t align_log2; /* that the code needs, not the operation: else the slow path */
    uint32_t reach; /* bytes that the page shall have for the members of a span; 0: there is none */
    bool write;
    bool both; /* with `write`: readable too */
    /* Of direct memory (direct.c): */
    uint32_t base; /* the value that `address` has */
    uint32_t sum;  /* record that was to add `distance` to it and is not emitted, CG_NONE: none */
    int32_t distance; /* what the address is more than the register */
    bool known;       /* it needs no comparison */
    bool sometimes;   /* the code goes on on ways without it */
    cg_reg
        between; /* where the first of two results waits for the second one; for mem_host_address() */
    uint32_t cold;      /* what mem_probe() made */
    uint32_t too_short; /* with `reach`: the jump if the page has fewer */
    /* What is moved, by emit_move(). */
    cg_reg to[2];
    cg_reg scratch; /* of a store in another byte order */
    int32_t imm;    /* what is stored if there is no register */
} mem_access;

/* Whether the access can be probed for at all. */
bool mem_can_probe(cg *c, uint32_t attr);
/* Before an access takes registers: what is known of its address. Frees the flags if it needs them. */
void mem_begin(cg *c, mem_access *m);
/* The address' register, to m->address. */
void mem_take_address(cg *c, mem_access *m);
/* Emit the probe; misses, crossings and misalignment go to m->cold. The flags must be free, and all registers that the
 * access needs allocated. */
void mem_probe(cg *c, mem_access *m);
/* Behind it: the host address to m->t. */
void mem_host_address(cg *c, mem_access *m);
/* Leave it all to the core. */
void mem_always_slow(cg *c, const ir_op_record *r, bool has_result);
/* If other vCPUs run: nothing passes. Changes flags. */
void mem_full_fence(cg *c);

#endif
