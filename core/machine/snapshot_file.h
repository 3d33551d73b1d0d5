/*
 * The file of a snapshot: a row of records, each with a kind, a name and a content, in little-endian byte
 * order:
 *
 *     magic     8 bytes, "PBSNAP\0" and the version
 *     record    u32 kind, u32 bytes of the name, u64 bytes of the content, name, content
 *     ...
 *     end       a record of kind END whose content is the SHA-256 of all bytes before the record
 *
 * What the contents are, snapshot.c knows. Nothing here knows machines.
 */
#ifndef CORE_MACHINE_SNAPSHOT_FILE_H
#define CORE_MACHINE_SNAPSHOT_FILE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum record_kind {
    RECORD_SCHED = 1, /* pb_sched_state */
    RECORD_VCPU,      /* pb_vcpu_saved */
    RECORD_PART,      /* a variant, PB_STATE_FORMAT */
    RECORD_REGIONS,   /* a variant, array of place, mapped, handlers */
    RECORD_RAM,       /* u64 size of the memory */
    RECORD_PAGES, /* u64 first page, then zlib data of up to 256 pages; of the memory before it */
    RECORD_END,
    RECORD_WIRING,  /* text: what is where, and connected to what */
    RECORD_BACKEND, /* as PART */
    RECORD_FIRST = RECORD_SCHED,
    RECORD_LAST = RECORD_BACKEND,
} record_kind;

/* ---- writing --------------------------------------------------------------------------------- */

typedef struct snapshot_writer snapshot_writer;

/* A new file, which snapshot_commit() puts in the place of an old one. */
snapshot_writer *snapshot_writer_new(const char *file, GError **error);
/* Errors are kept for snapshot_commit(). */
void snapshot_put(snapshot_writer *w, record_kind kind, const char *name, const void *content,
                  uint64_t bytes);
/* A variant's bytes; takes a floating reference. */
void snapshot_put_variant(snapshot_writer *w, record_kind kind, const char *name,
                          GVariant *variant);
/* Writes the end, and frees the writer. After an error the old file is as it was. */
bool snapshot_commit(snapshot_writer *w, GError **error);

/* ---- reading --------------------------------------------------------------------------------- */

typedef struct snapshot_record {
    record_kind kind;
    char *name;
    const uint8_t *content; /* anywhere: not aligned */
    uint64_t bytes;
} snapshot_record;

typedef struct snapshot {
    char *file;
    GMappedFile *mapped;
    const uint8_t *bytes;
    gsize length;
    GArray *records; /* snapshot_record */
} snapshot;

/* Reads all records and checks the sum of all bytes. */
snapshot *snapshot_open(const char *file, GError **error);
void snapshot_close(snapshot *s); /* null is fine */

/* Sets an error that begins with the file's name; false. `error` may be null. */
bool snapshot_refuse(const snapshot *s, GError **error, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
/* Null: there is none. */
const snapshot_record *snapshot_find(const snapshot *s, record_kind kind, const char *name);
/* A record of a known size into `to`. */
bool snapshot_take(const snapshot *s, record_kind kind, const char *name, void *to, gsize bytes,
                   GError **error);
/* A record's variant of a type, in normal form whatever the file holds; the caller owns it. */
GVariant *snapshot_take_variant(const snapshot *s, record_kind kind, const char *name,
                                const char *type, GError **error);

#endif
