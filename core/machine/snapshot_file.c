/* Records of a snapshot's file: see snapshot_file.h. */
#include <core/machine/machine.h>
#include <core/machine/snapshot_file.h>
#include <core/util/file.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VERSION 2

static const uint8_t magic[8] = { 'P', 'B', 'S', 'N', 'A', 'P', 0, VERSION };

typedef struct record_head {
    uint32_t kind, name_bytes;
    uint64_t bytes;
} record_head;

_Static_assert(G_BYTE_ORDER == G_LITTLE_ENDIAN, "records are written as they are in memory");

/* ---- writing --------------------------------------------------------------------------------- */

struct snapshot_writer {
    pb_file_writer *file;
    GChecksum *checksum;
};

static void put(snapshot_writer *w, const void *bytes, gsize length)
{
    g_checksum_update(w->checksum, bytes, (gssize)length);
    pb_file_write(w->file, bytes, length);
}

snapshot_writer *snapshot_writer_new(const char *file, GError **error)
{
    pb_file_writer *writer = pb_file_writer_new(file, error);
    snapshot_writer *w;

    if (!writer)
        return NULL;
    w = g_new(snapshot_writer, 1);
    *w = (snapshot_writer){ writer, g_checksum_new(G_CHECKSUM_SHA256) };
    put(w, magic, sizeof(magic));
    return w;
}

void snapshot_put(snapshot_writer *w, record_kind kind, const char *name, const void *content,
                  uint64_t bytes)
{
    const record_head head = { kind, (uint32_t)strlen(name), bytes };

    put(w, &head, sizeof(head));
    put(w, name, head.name_bytes);
    put(w, content, bytes);
}

void snapshot_put_variant(snapshot_writer *w, record_kind kind, const char *name, GVariant *variant)
{
    g_variant_ref_sink(variant);
    snapshot_put(w, kind, name, g_variant_get_data(variant), g_variant_get_size(variant));
    g_variant_unref(variant);
}

bool snapshot_commit(snapshot_writer *w, GError **error)
{
    pb_file_writer *file = w->file;
    uint8_t digest[32];
    gsize length = sizeof(digest);

    g_checksum_get_digest(w->checksum, digest, &length);
    g_checksum_reset(w->checksum); /* a closed sum takes no more */
    snapshot_put(w, RECORD_END, "", digest, length);
    g_checksum_free(w->checksum);
    g_free(w);
    return pb_file_commit(file, error);
}

/* ---- reading --------------------------------------------------------------------------------- */

bool snapshot_refuse(const snapshot *s, GError **error, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, PB_MACHINE_ERROR, PB_MACHINE_ERROR_LOAD, "snapshot '%s': %s", s->file, text);
    return false;
}

/* One record at *at, which moves behind it. */
static bool read_record(snapshot *s, gsize *at, snapshot_record *r, GError **error)
{
    gsize left = s->length - *at;
    record_head head;

    if (left < sizeof(head))
        return snapshot_refuse(s, error, "it is truncated: no end after %" G_GSIZE_FORMAT " bytes",
                               s->length);
    memcpy(&head, s->bytes + *at, sizeof(head));
    left -= sizeof(head);
    if (head.name_bytes > left || head.bytes > left - head.name_bytes ||
        !g_utf8_validate((const char *)s->bytes + *at + sizeof(head), head.name_bytes, NULL))
        return snapshot_refuse(s, error, "it is truncated or damaged at byte %" G_GSIZE_FORMAT,
                               *at);
    *at += sizeof(head);
    *r = (snapshot_record){ .kind = (record_kind)head.kind,
                            .name = g_strndup((const char *)s->bytes + *at, head.name_bytes),
                            .content = s->bytes + *at + head.name_bytes,
                            .bytes = head.bytes };
    *at += head.name_bytes + head.bytes;
    return true;
}

static bool check_sum(const snapshot *s, const snapshot_record *end, gsize covered, GError **error)
{
    GChecksum *checksum = g_checksum_new(G_CHECKSUM_SHA256);
    uint8_t digest[32];
    gsize length = sizeof(digest);
    bool equal;

    g_checksum_update(checksum, s->bytes, (gssize)covered);
    g_checksum_get_digest(checksum, digest, &length);
    g_checksum_free(checksum);
    equal = end->bytes == length && memcmp(end->content, digest, length) == 0;
    return equal || snapshot_refuse(s, error, "it is damaged: its checksum is wrong");
}

static bool read_records(snapshot *s, GError **error)
{
    gsize at = sizeof(magic);

    if (s->length < sizeof(magic) || memcmp(s->bytes, magic, sizeof(magic) - 1) != 0)
        return snapshot_refuse(s, error, "this is no snapshot");
    if (s->bytes[sizeof(magic) - 1] != VERSION)
        return snapshot_refuse(s, error, "it has version %u, this program reads version %u",
                               s->bytes[sizeof(magic) - 1], VERSION);
    for (;;) {
        gsize start = at;
        snapshot_record r;

        if (!read_record(s, &at, &r, error))
            return false;
        g_array_append_val(s->records, r);
        if (r.kind == RECORD_END)
            return (at == s->length ||
                    snapshot_refuse(s, error, "there is something behind its end")) &&
                   check_sum(s, &r, start, error);
    }
}

static void clear_record(gpointer r)
{
    g_free(((snapshot_record *)r)->name);
}

static GMappedFile *map(const char *file, GError **error)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    GMappedFile *mapped = NULL;
    struct stat status;

    if (fd < 0 || fstat(fd, &status) != 0)
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno),
                    "cannot read the snapshot '%s': %s", file, g_strerror(errno));
    else if (!S_ISREG(status.st_mode))
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                    "the snapshot '%s' is not a regular file", file);
    else
        mapped = g_mapped_file_new_from_fd(fd, FALSE, error);
    if (fd >= 0)
        close(fd);
    return mapped;
}

snapshot *snapshot_open(const char *file, GError **error)
{
    GMappedFile *mapped = map(file, error);
    snapshot *s;

    if (!mapped)
        return NULL;
    s = g_new0(snapshot, 1);
    s->file = g_strdup(file);
    s->mapped = mapped;
    s->bytes = (const uint8_t *)g_mapped_file_get_contents(mapped);
    s->length = g_mapped_file_get_length(mapped);
    s->records = g_array_new(FALSE, FALSE, sizeof(snapshot_record));
    g_array_set_clear_func(s->records, clear_record);
    if (read_records(s, error))
        return s;
    snapshot_close(s);
    return NULL;
}

void snapshot_close(snapshot *s)
{
    if (!s)
        return;
    g_array_unref(s->records);
    g_mapped_file_unref(s->mapped);
    g_free(s->file);
    g_free(s);
}

const snapshot_record *snapshot_find(const snapshot *s, record_kind kind, const char *name)
{
    for (unsigned i = 0; i < s->records->len; i++) {
        const snapshot_record *r = &g_array_index(s->records, snapshot_record, i);

        if (r->kind == kind && strcmp(r->name, name) == 0)
            return r;
    }
    return NULL;
}

bool snapshot_take(const snapshot *s, record_kind kind, const char *name, void *to, gsize bytes,
                   GError **error)
{
    const snapshot_record *r = snapshot_find(s, kind, name);

    if (!r)
        return snapshot_refuse(s, error, "there is no '%s' in it: it is of another machine", name);
    if (r->bytes != bytes)
        return snapshot_refuse(
            s, error, "'%s' has %" G_GUINT64_FORMAT " bytes, %" G_GSIZE_FORMAT " are expected",
            name, r->bytes, bytes);
    memcpy(to, r->content, bytes);
    return true;
}

GVariant *snapshot_take_variant(const snapshot *s, record_kind kind, const char *name,
                                const char *type, GError **error)
{
    const snapshot_record *r = snapshot_find(s, kind, name);
    g_autoptr(GBytes) bytes = NULL;
    GVariant *variant, *normal;

    if (!r) {
        snapshot_refuse(s, error, "there is no '%s' in it: it is of another machine", name);
        return NULL;
    }
    bytes = g_bytes_new(r->content, r->bytes); /* aligned, unlike the file */
    variant = g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE(type), bytes, FALSE));
    normal = g_variant_get_normal_form(variant);
    g_variant_unref(variant);
    return normal;
}
