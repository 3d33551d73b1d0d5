/*
 * Guest RAM: a memfd in the host's memory, and what is known about each of its pages.
 *
 * A pb_ram is bytes without an address; regions (bus.h) give it one or several. RAM is sparse: a page
 * that nobody touched takes no host memory, neither for its bytes nor for its flags and generation.
 *
 * Guests, devices and displays share the bytes without a lock. What must notice a write is told
 * through the page's flags; the protocol is at the head of ram.c.
 */
#ifndef CORE_BUS_RAM_H
#define CORE_BUS_RAM_H

#include <glib.h>
#include <patchbay/memory.h>

typedef struct pb_bus pb_bus;
typedef struct pb_ram pb_ram;

typedef enum pb_ram_backing {
    PB_RAM_PAGES = 0,   /* the host's small pages */
    PB_RAM_HUGE_WISHED, /* transparent huge pages where the host allows them */
    PB_RAM_HUGE,        /* from the host's pool of huge pages, or an error */
} pb_ram_backing;

/* Who wants to know which pages were written. */
typedef enum pb_dirty_client {
    PB_DIRTY_DISPLAY = 0,
    PB_DIRTY_SNAPSHOT,
    PB_DIRTY_TOOL,
    PB_DIRTY_CLIENTS,
} pb_dirty_client;

/* New RAM of that many bytes, not 0, rounded up to whole pages in the host; all zero. Null with the error set if the
 * host cannot hold it: more than its memory and swap together (unless it is set to overcommit
 * always), no huge pages, no address space. `name` is for errors and /proc. One reference. [setup] */
pb_ram *pb_ram_new(pb_bus *bus, const char *name, uint64_t bytes, pb_ram_backing backing,
                   GError **error);
/* What is known of the pages of memory that somebody else mapped: `bytes`, whole pages, from `host` on. It need not be there
 * all the time; whoever reads or writes it knows that it is. Of what is said of other RAM it has no file, no extents and
 * cannot be filled. [setup] */
pb_ram *pb_ram_new_around(pb_bus *bus, const char *name, uint8_t *host, uint64_t bytes,
                          GError **error);
pb_ram *pb_ram_ref(pb_ram *ram); /* [any] */
void pb_ram_unref(pb_ram *ram);  /* [any]; null is fine */

const char *pb_ram_name(const pb_ram *ram);
uint64_t pb_ram_bytes(const pb_ram *ram);
/* The first byte in the host. Who writes through it calls pb_ram_written() afterwards. [any] */
uint8_t *pb_ram_host(const pb_ram *ram);

/* Bytes were written by anything but a vCPU's store: pages become dirty and units of code taken from them
 * stale. Call it after the bytes are there. [any] */
void pb_ram_written(pb_ram *ram, uint64_t first, uint64_t bytes);

/* Copy bytes in, or zeros where `from` is null, and count them as written: for images that a loader places, of any
 * size. 0 or an errno value: the host has no memory left, or `from` is a mapped file that somebody made shorter;
 * part of the bytes may be there then. The machine stands still. [setup] */
int pb_ram_fill(pb_ram *ram, uint64_t first, const void *from, uint64_t bytes);

/* Give the bytes back to the host: they read as zero, cost nothing. Counts as written. The machine
 * stands still. [setup] */
void pb_ram_clear(pb_ram *ram);

/* The next stretch of whole pages, from byte *first up, for which the host holds something; what lies between
 * reads as zero. False past the last. For snapshots and hashes of sparse memory. While nothing runs. */
bool pb_ram_next_extent(const pb_ram *ram, uint64_t *first, uint64_t *bytes);

/* Start (all pages clean) or stop to note written pages for a client. [device] or [setup] */
void pb_ram_dirty_start(pb_ram *ram, pb_dirty_client client);
void pb_ram_dirty_stop(pb_ram *ram, pb_dirty_client client);
/* Which pages of the range were written since the client's start or last take: sets their bits in `bitmap`
 * (bit 0: page of `first`), cleans them, and returns their number. bitmap may be null. Every write before
 * the return is reported by this call or visible to who reads the page now. Waits for vCPUs to
 * pass a safe point. [device] or [setup] */
uint64_t pb_ram_dirty_take(pb_ram *ram, pb_dirty_client client, uint64_t first, uint64_t bytes,
                           uint64_t *bitmap);

/* ---- for core/vcpu --------------------------------------------------------------------------------- */

/* Take code from a page: writes to what will be read of it (pb_ram_code_reads) will be noticed. *generation is where
 * they are counted and the return value what it was: record that one, never what *generation says later. Waits
 * until no vCPU can write the page unnoticed. [vcpu] or [device] */
uint32_t pb_ram_code_take(pb_ram *ram, uint64_t page, const uint32_t **generation);
/* Bytes of a page, named by the generation that pb_ram_code_take() gave, will be read as code: say so before they are. Only
 * writes to lines of 64 bytes that were named so count the generation up. False: none do, the page is mixed. [vcpu] or
 * [device] */
bool pb_ram_code_reads(const uint32_t *generation, uint32_t first, uint32_t bytes);
/* Make units of code from these bytes of one page stale, if there are any. They are gone when it returns. [any] */
void pb_ram_code_flush(pb_ram *ram, uint64_t first, uint64_t bytes);
/* Whether a write of bytes in one page would be trapped because of code, leave all code as it is, and be heard by nobody
 * else. [vcpu] */
bool pb_ram_is_beside_code(const pb_ram *ram, uint64_t first, uint32_t bytes);
/* A vCPU wants a write tag, that is, to write the page without telling. False: it may not now. [vcpu] */
bool pb_ram_write_tag(pb_ram *ram, uint64_t page);
/* Where it may look first: while the byte is PB_TLB2_TAGGED, pb_ram_write_tag() would say yes. [vcpu] */
const uint8_t *pb_ram_tagged(const pb_ram *ram, uint64_t page);
/* Some writes are told to nobody: those to pages for which unnoticed(opaque, page) is true. Then the page is mixed from the first
 * taking of code on. It takes no lock of the RAM's. Whoever makes it say otherwise for pages calls
 * pb_ram_renew_code() for them afterwards. [setup] */
void pb_ram_set_unnoticed(pb_ram *ram, bool (*unnoticed)(void *opaque, uint64_t page),
                          void *opaque);
/* Forget all that is known of code in the pages of these bytes, whether it was written or not. Units are gone when it returns,
 * and what is being made of them is refused. [any] */
void pb_ram_renew_code(pb_ram *ram, uint64_t first, uint64_t bytes);
/* After a store by a vCPU through the slow path. The bytes lie in one page. [vcpu] [hot] */
void pb_ram_stored(pb_ram *ram, uint64_t first, uint32_t bytes);

#endif
