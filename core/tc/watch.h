/*
 * What the translation cache tells those who see it (seeing.h). A cache has a tc_watch, or null if nobody looks.
 * Functions named _locked are called under tc->lock, files are written under it.
 */
#ifndef CORE_TC_WATCH_H
#define CORE_TC_WATCH_H

#include <core/tc/internal.h>
#include <core/tc/seeing.h>

typedef struct tc_hot tc_hot;
typedef struct tc_gdb tc_gdb;

struct tc_watch {
    tc_hot *hot; /* null: nothing is sampled */
    tc_gdb *gdb; /* null: debuggers are not told */
};

/* In pb_tc_key.flags, where units are named for people: a region, which has the key of a unit that it took the place of. */
#define TC_WATCH_REGION (1u << 31)

/* ---- watch.c --------------------------------------------------------------------------------------------- */

/* Null if nothing is wanted. [setup] */
tc_watch *tc_watch_new(pb_tc *tc);
void tc_watch_free(pb_tc *tc);
void tc_watch_published_locked(pb_tc *tc, tc_unit *u, const ir_unit *ir, const pb_code_job *job);
/* The slab's units cannot be executed any more, and their headers go. */
void tc_watch_reclaimed_locked(pb_tc *tc, const tc_slab *slab);
/* Around execution, on the vCPU's thread. */
void tc_watch_enter(pb_tc *tc);
void tc_watch_leave(pb_tc *tc);
/* The unit's key, with TC_WATCH_REGION if it is one. */
pb_tc_key tc_watch_key(const tc_unit *u, const ir_unit *ir);
/* How a unit is named: the guest's symbol if there is one, pc, what its key means, whether it is alone or a region. */
void tc_watch_name(const pb_tc_key *key, const pb_cpu_type *cpu, GString *name);

/* ---- perf.c ---------------------------------------------------------------------------------------------- */

bool tc_perf_open(const char *map, const char *jitdump, GError **error);
bool tc_perf_close(GError **error);
bool tc_perf_wanted(void);
/* Code at rx, which can be read at the same address. Any thread. */
void tc_perf_code(const uint8_t *rx, uint32_t bytes, const char *name);

/* ---- gdb.c ----------------------------------------------------------------------------------------------- */

tc_gdb *tc_gdb_new(pb_tc *tc);
void tc_gdb_free(tc_gdb *gdb);
/* Under tc->lock. */
void tc_gdb_published(tc_gdb *gdb, const tc_unit *u, const char *name);
void tc_gdb_reclaimed(tc_gdb *gdb, const tc_slab *slab);

/* ---- hot.c ----------------------------------------------------------------------------------------------- */

bool tc_hot_start(GError **error);
void tc_hot_stop(void);
tc_hot *tc_hot_new(pb_tc *tc);
void tc_hot_free(tc_hot *hot);
void tc_hot_published(tc_hot *hot, tc_unit *u, const ir_unit *ir, const pb_code_job *job);
void tc_hot_reclaimed(tc_hot *hot, const tc_slab *slab);
void tc_hot_enter(tc_hot *hot);
void tc_hot_leave(tc_hot *hot);
/* One sample: a thread of a vCPU was there. Signal-safe. */
void tc_hot_sample(tc_hot *hot, const void *host);
void tc_hot_report(tc_hot *hot, unsigned count, GString *text);

#endif
