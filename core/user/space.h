/*
 * The address space of a program: what is mapped where, and how it may be accessed.
 *
 * Guest address g is host address base + g. All of it is reserved from the host at once, so whatever is mapped for the
 * program lies inside, nothing of the emulator does, and an address is checked by comparing it with `bytes`.
 * What is not mapped is reserved without access.
 *
 * Who changes a mapping does so outside of the guest, on any thread; changes come one after the other. They are
 * told by errors of Linux, negative. The order that keeps processors from seeing a page that is gone:
 *   1. the bookkeeping permits less: find() refuses;
 *   2. flush() has every processor forget what it knew, and returns when none uses it any more;
 *   3. the host's mapping changes;
 *   4. the bookkeeping permits what is there now.
 * A processor that looks between 1 and 4 gets a fault that is none. Who handles faults waits for the change
 * (pb_user_space_permits) and has the access made again.
 *
 * Where processors access the window by themselves (pb_user_space_window) the host's faults tell them of 3, and 2 has nothing
 * to do. Their stores come unnoticed, so code of pages that can be written compares itself (core/bus/ram.c, rule 10):
 *   5. whether a page that had code can be written, or executed, changes in the bookkeeping first; then all that was made of
 *      its code is dropped.
 */
#ifndef CORE_USER_SPACE_H
#define CORE_USER_SPACE_H

#include <core/bus/bus.h>
#include <patchbay/codegen.h>

#include <glib.h>
#include <stdio.h>

typedef struct pb_user_space pb_user_space;

/* Lowest address that can be mapped: Linux's default vm.mmap_min_addr. */
#define PB_USER_LOWEST UINT64_C(0x10000)

/* Reserve an address space, as large as the host permits. [setup] */
pb_user_space *pb_user_space_new(GError **error);
void pb_user_space_free(pb_user_space *space);
/* Make it known to the bus: its pages' flags tell what is code. `flush` is step 2. [setup] */
bool pb_user_space_attach(pb_user_space *space, pb_bus *bus, pb_bus_region *root,
                          void (*flush)(void *opaque, uint64_t gva, uint64_t bytes), void *opaque,
                          GError **error);
void pb_user_space_detach(pb_user_space *space); /* the opposite; also if it was not attached */

/* Where it is, for code that accesses it without asking, from now on. [setup] */
void pb_user_space_window(pb_user_space *space, pb_code_window *window);

/* Addresses below this can be mapped. The byte at it is none. */
uint64_t pb_user_space_bytes(const pb_user_space *space);
/* Where the first byte is in the host. */
uint8_t *pb_user_space_base(const pb_user_space *space);

/* Permissions (pb_prot) of the page at gva; false: it is not mapped. [any] */
bool pb_user_space_find(pb_user_space *space, uint64_t gva, uint32_t *prot);
/* After changes under way: whether gva is mapped, and how. Outside of the guest. */
bool pb_user_space_permits(pb_user_space *space, uint64_t gva, uint32_t *prot);
/* Whether all pages of a range are mapped, which begins with one. [any] */
bool pb_user_space_is_full(pb_user_space *space, uint64_t gva, uint64_t bytes);
/* How many of the bytes from gva on have all of prot. [any] */
uint64_t pb_user_space_reach(pb_user_space *space, uint64_t gva, uint64_t bytes, uint32_t prot);

/* Copy to and from the program's memory, if all of it may be accessed so; false: nothing or a part was copied. [any] */
bool pb_user_space_read(pb_user_space *space, uint64_t gva, void *to, uint64_t bytes);
bool pb_user_space_write(pb_user_space *space, uint64_t gva, const void *from, uint64_t bytes);
/* The same also where the program may not write: how many bytes, from the first on. Not what is shared, or is not there, or what the host
 * refuses. `memory` is the process's /proc/self/mem, open for writing. Outside of the guest. */
uint64_t pb_user_space_poke(pb_user_space *space, uint64_t gva, const void *from, uint64_t bytes,
                            int memory);
/* An aligned number of 4 bytes in the host's order, atomically: it becomes `next` if it was *value, which becomes what it was.
 * False: it cannot be accessed. [any] */
bool pb_user_space_compare_swap(pb_user_space *space, uint64_t gva, uint32_t *value, uint32_t next);
/* A text of at most `most` bytes without its end; null: not all of it can be read (*error EFAULT), or it is longer
 * (ENAMETOOLONG). g_free() it. */
char *pb_user_space_string(pb_user_space *space, uint64_t gva, uint64_t most, int *error);
/* The host wrote bytes of the program by itself (a read() into it): what was code there is not. [any] */
void pb_user_space_written(pb_user_space *space, uint64_t gva, uint64_t bytes);

/* mmap(), with Linux's generic PROT_ and MAP_ values: the address or an error. */
int64_t pb_user_space_map(pb_user_space *space, uint64_t gva, uint64_t bytes, int prot, int flags,
                          int fd, uint64_t offset);
int pb_user_space_unmap(pb_user_space *space, uint64_t gva, uint64_t bytes);
int pb_user_space_protect(pb_user_space *space, uint64_t gva, uint64_t bytes, int prot);
int64_t pb_user_space_remap(pb_user_space *space, uint64_t gva, uint64_t old_bytes,
                            uint64_t new_bytes, int flags, uint64_t to);
int pb_user_space_advise(pb_user_space *space, uint64_t gva, uint64_t bytes, int advice);
/* shmat(), shmdt(). The address or an error. */
int64_t pb_user_space_attach_shm(pb_user_space *space, uint64_t gva, int id, int flags);
int pb_user_space_detach_shm(pb_user_space *space, uint64_t gva);
/* Where mappings without a wish go: below this. [setup] */
void pb_user_space_set_top(pb_user_space *space, uint64_t top);
/* Name a range for the list of mappings ("[stack]"). */
void pb_user_space_name(pb_user_space *space, uint64_t gva, const char *name);
/* Write what /proc/PID/maps would say. */
void pb_user_space_list(pb_user_space *space, FILE *file);

/* A mapping, as a visitor sees it; the name ("" if there is none) is the space's. */
typedef struct pb_user_range {
    uint64_t first, end;
    uint32_t prot; /* pb_prot */
    bool shared;
    bool is_file; /* of a file system's */
    const char *name;
    uint64_t offset; /* in the file */
} pb_user_range;

/* All mappings, by their addresses. The visitor changes none. */
void pb_user_space_visit(pb_user_space *space, void (*fn)(void *opaque, const pb_user_range *range),
                         void *opaque);

/* Around fork(): nobody changes the space, and the child finds it free. */
void pb_user_space_fork_begin(pb_user_space *space);
void pb_user_space_fork_end(pb_user_space *space, bool child);

#endif
