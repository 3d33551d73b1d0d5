/*
 * vFlashErase, vFlashWrite, vFlashDone: gdb's `load` into flash. Nothing is changed before vFlashDone, which erases and
 * programs in the order that was asked for.
 */
#include <core/gdb/internal.h>

#define MOST_PENDING (256u << 20) /* bytes */

typedef struct change {
    uint64_t address, bytes;
    char *data; /* null: erase */
} change;

static void change_free(gpointer p)
{
    g_free(((change *)p)->data);
    g_free(p);
}

void gdb_flash_forget(pb_gdb *gdb)
{
    g_clear_pointer(&gdb->flash, g_ptr_array_unref);
}

/* Whether all of it is ROM, flash or RAM. */
static bool is_memory(pb_gdb *gdb, uint64_t address, uint64_t bytes)
{
    uint64_t last = address + bytes - 1;
    pb_range range;

    if (bytes == 0 || last < address)
        return false;
    for (uint64_t at = address;; at = range.last + 1) {
        if (!pb_space_next(gdb->host.memory, at, &range) || range.first > at || !range.ram)
            return false;
        if (range.last >= last)
            return true;
    }
}

static uint64_t pending_bytes(const pb_gdb *gdb)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; gdb->flash && i < gdb->flash->len; i++)
        if (((change *)gdb->flash->pdata[i])->data)
            bytes += ((change *)gdb->flash->pdata[i])->bytes;
    return bytes;
}

static const char *add(pb_gdb *gdb, uint64_t address, uint64_t bytes, const char *data)
{
    bool fits;
    change *c;

    pb_sched_lock_devices(gdb->host.sched);
    fits = is_memory(gdb, address, bytes);
    pb_sched_unlock_devices(gdb->host.sched);
    if (!fits)
        return "E.memtype";
    if (data && pending_bytes(gdb) + bytes > MOST_PENDING)
        return GDB_IMPOSSIBLE;
    if (!gdb->flash)
        gdb->flash = g_ptr_array_new_with_free_func(change_free);
    c = g_new(change, 1);
    *c = (change){ address, bytes, data ? g_memdup2(data, bytes) : NULL };
    g_ptr_array_add(gdb->flash, c);
    return "OK";
}

static bool erase(pb_gdb *gdb, uint64_t address, uint64_t bytes)
{
    char ones[PB_PAGE_SIZE];
    bool ok = true;

    memset(ones, 0xff, sizeof(ones));
    for (uint64_t done = 0, n; ok && done < bytes; done += n) {
        n = MIN(bytes - done, sizeof(ones));
        ok = pb_space_program(gdb->host.memory, address + done, ones, n, "gdb", NULL);
    }
    return ok;
}

static const char *program_all(pb_gdb *gdb)
{
    bool ok = true;

    pb_sched_lock_devices(gdb->host.sched);
    for (unsigned i = 0; ok && gdb->flash && i < gdb->flash->len; i++) {
        const change *c = gdb->flash->pdata[i];

        ok = c->data
                 ? pb_space_program(gdb->host.memory, c->address, c->data, c->bytes, "gdb", NULL)
                 : erase(gdb, c->address, c->bytes);
    }
    pb_sched_unlock_devices(gdb->host.sched);
    gdb_flash_forget(gdb);
    return ok ? "OK" : GDB_NO_MEMORY;
}

void gdb_flash(pb_gdb *gdb, const char *packet, gsize length)
{
    const char *text = packet + strcspn(packet, ":"), *answer = GDB_MALFORMED;
    uint64_t address, bytes;

    if (strcmp(packet, "vFlashDone") == 0) {
        answer = program_all(gdb);
    } else if (*text++ == ':' && g_str_has_prefix(packet, "vFlashErase:")) {
        if (gdb_parse_number_to(&text, ',', &address) && gdb_parse_number(&text, &bytes) && !*text)
            answer = add(gdb, address, bytes, NULL);
    } else if (g_str_has_prefix(packet, "vFlashWrite:")) {
        if (gdb_parse_number_to(&text, ':', &address))
            answer = add(gdb, address, length - (gsize)(text - packet), text);
    }
    gdb_send_text(gdb, answer);
}
