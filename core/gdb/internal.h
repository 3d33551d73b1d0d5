/* What the files of core/gdb share. All of it is used on the main loop's thread, unless said. */
#ifndef CORE_GDB_INTERNAL_H
#define CORE_GDB_INTERNAL_H

#include <core/gdb/gdb.h>
#include <core/vcpu/debug.h>

#include <string.h>

#define GDB_PACKET 0x10000u /* bytes of a packet's contents, at most */
#define GDB_POINTS 1024u    /* breakpoints and watchpoints, at most */

/* Answers that say no. */
#define GDB_MALFORMED  "E16" /* as EINVAL: 0x16 */
#define GDB_NO_SUCH    "E02" /* thread, register, point */
#define GDB_NO_MEMORY  "E0e" /* as EFAULT */
#define GDB_IMPOSSIBLE "E5f" /* as ENOTSUP */

/* A register of the description. */
typedef struct gdb_register {
    const char *name, *type, *group;
    uint32_t number, bytes;
    const pb_slot *slot; /* null: `made` */
    const pb_gdb_register *made;
    const pb_gdb_feature *feature; /* null: of the system registers */
} gdb_register;

typedef enum gdb_point_kind {
    GDB_POINT_SOFTWARE = 0,
    GDB_POINT_HARDWARE,
    GDB_POINT_WRITE,
    GDB_POINT_READ,
    GDB_POINT_ACCESS,
    GDB_POINT_KINDS,
} gdb_point_kind;

typedef struct gdb_point {
    uint64_t gva, bytes;
    uint32_t kind; /* gdb_point_kind */
} gdb_point;

/* How a processor goes on. */
typedef struct gdb_go {
    bool holds;             /* it does not */
    bool steps;             /* one instruction; or as long as pc is in: */
    uint64_t first, behind; /* range; equal: none */
} gdb_go;

/* What a packet is read into, byte by byte. */
typedef struct gdb_reader {
    enum { GDB_OUTSIDE, GDB_INSIDE, GDB_ESCAPED, GDB_SUM_1, GDB_SUM_2 } state;
    GString *packet; /* contents, without escapes */
    uint8_t sum, given;
    bool too_long;
} gdb_reader;

typedef enum gdb_read {
    GDB_READ_MORE,
    GDB_READ_PACKET,
    GDB_READ_WRONG,
    GDB_READ_INTERRUPT,
    GDB_READ_NAK
} gdb_read;

struct pb_gdb {
    pb_gdb_host host;
    char *address, *path; /* path: of a Unix socket that is to be removed */
    int listener, client; /* -1: none */
    GSource *listening, *reading, *writing, *stops;
    GString *in, *out; /* bytes that wait */
    GString *last;     /* the last answer, as it was sent */
    gdb_reader reader;
    bool handling; /* gdb_handle_input() is under way */

    /* the client's settings */
    bool no_ack, multiprocess, says_breaks;
    bool physical, interrupts;    /* addresses are physical; steps may go into interrupt handlers */
    uint32_t thread, step_thread; /* of Hg and Hc: processor + 1; step_thread 0: any */
    uint32_t next_thread;         /* of qsThreadInfo */
    GPtrArray *flash; /* what vFlashErase and vFlashWrite gave, until vFlashDone; may be null */

    GArray *registers; /* gdb_register, by number */
    char *description; /* target.xml */
    GArray *points;    /* gdb_point */
    uint64_t wrote;    /* processors whose registers were written, by index modulo 64 */

    bool paused;  /* we hold a pause */
    bool running; /* the client waits for a stop */
    bool over;    /* the run ended */
    bool ending;  /* the client asked for it */

    GMutex lock;  /* of what follows */
    bool stopped; /* somebody stopped, and the pause has begun */
    uint32_t stopped_cpu;
    uint32_t stop_signal;
    pb_debug_stop stop;
    gdb_go *go; /* of each processor; written while they stand */
};

/* ---- packet.c: bytes and packets ---------------------------------------------------------------------------- */

gdb_read gdb_read_byte(gdb_reader *reader, bool check, uint8_t byte);
/* A packet with sum, what has to be escaped is. */
void gdb_frame(GString *to, const char *data, gsize length);
void gdb_append_hex(GString *to, const void *bytes, gsize length);
/* Hexadecimal digits to bytes; false if there are others, or an odd number. */
bool gdb_parse_hex(const char *text, gsize digits, GString *to);
/* A number of 1 to 16 hexadecimal digits at *text, which is moved behind it; false: there is none. */
bool gdb_parse_number(const char **text, uint64_t *number);
/* The same, with a character behind it that is skipped. */
bool gdb_parse_number_to(const char **text, char behind, uint64_t *number);

/* ---- server.c: the socket ----------------------------------------------------------------------------------- */

bool gdb_listen(pb_gdb *gdb, const char *address, GError **error);
void gdb_send(pb_gdb *gdb, const char *data, gsize length);
void gdb_send_text(pb_gdb *gdb, const char *text);
/* Handle what has come: packets while all stand, a request to stop while not. */
void gdb_handle_input(pb_gdb *gdb);
/* Close the connection; what it asked of the machine is forgotten, and that goes on. */
void gdb_disconnect(pb_gdb *gdb);
void gdb_stop_listening(pb_gdb *gdb);

/* ---- commands.c, queries.c, monitor.c, flash.c -------------------------------------------------------------- */

/* Answer a packet; contents end with a 0 that does not count. */
void gdb_command(pb_gdb *gdb, const char *packet, gsize length);
void gdb_query(pb_gdb *gdb, const char *packet, gsize length);
void gdb_set(pb_gdb *gdb, const char *packet, gsize length);
void gdb_monitor(pb_gdb *gdb, const char *line, GString *answer);
void gdb_flash(pb_gdb *gdb, const char *packet, gsize length);
void gdb_flash_forget(pb_gdb *gdb);

/* ---- registers.c -------------------------------------------------------------------------------------------- */

bool gdb_describe(pb_gdb *gdb, GError **error);
const gdb_register *gdb_find_register(const pb_gdb *gdb, uint64_t number);
void gdb_read_register(pb_vcpu *vcpu, const gdb_register *r, uint8_t bytes[16]);
void gdb_write_register(pb_gdb *gdb, pb_vcpu *vcpu, const gdb_register *r, const uint8_t *bytes);
/* All of `g`. */
uint32_t gdb_general_count(const pb_gdb *gdb);
/* Have processors make anew what follows from registers that were written; false: one's are impossible. */
bool gdb_registers_settle(pb_gdb *gdb);

/* ---- memory.c ----------------------------------------------------------------------------------------------- */

/* Bytes that could be read, from the first on. */
uint64_t gdb_read_memory(pb_gdb *gdb, uint64_t address, void *to, uint64_t bytes);
bool gdb_write_memory(pb_gdb *gdb, uint64_t address, const void *from, uint64_t bytes);
/* The memory map, as gdb wants it. */
void gdb_memory_map(pb_gdb *gdb, GString *xml);
const char *gdb_range_kind(const pb_range *range);

/* ---- points.c ----------------------------------------------------------------------------------------------- */

/* Z and z packets, from the digit on. */
void gdb_point_command(pb_gdb *gdb, const char *text, bool insert);
/* Have them in force. `steps`: only some steps are made until the next stop. */
void gdb_points_apply(pb_gdb *gdb, bool steps);

/* ---- resume.c: stopping and going on ------------------------------------------------------------------------ */

void gdb_stops_init(pb_gdb *gdb);
void gdb_stops_finish(pb_gdb *gdb);
/* Stop all, if they are not, and tell the client if it waits for that. */
void gdb_halt(pb_gdb *gdb, uint32_t signal);
/* Go on as gdb->go says. */
void gdb_go_on(pb_gdb *gdb);
/* All go on freely, with nothing to stop them. */
void gdb_release(pb_gdb *gdb);
void gdb_report_stop(pb_gdb *gdb);
void gdb_vcont(pb_gdb *gdb, const char *actions);
/* `c` and `s`: with an address, or none. */
void gdb_continue(pb_gdb *gdb, const char *address, bool steps);

/* ---- gdb.c: threads ----------------------------------------------------------------------------------------- */

static inline uint32_t gdb_cpu_count(const pb_gdb *gdb)
{
    return pb_cpus_count(gdb->host.cpus);
}
/* The processor that g, m and the like are about. */
static inline pb_vcpu *gdb_cpu(const pb_gdb *gdb)
{
    return pb_cpus_at(gdb->host.cpus, gdb->thread - 1);
}

enum { GDB_THREAD_ANY = 0, GDB_THREAD_ALL = -1 };

/* A thread-id at *text: p1.2, 2, p1.-1, -1, 0, p1. False: it is none, or of nobody. */
bool gdb_parse_thread(const pb_gdb *gdb, const char **text, int64_t *thread);
void gdb_append_thread(const pb_gdb *gdb, GString *to, uint32_t thread);

#endif
