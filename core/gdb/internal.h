/* What the files of core/gdb share. All of it is used on the main loop's thread, unless said. */
#ifndef CORE_GDB_INTERNAL_H
#define CORE_GDB_INTERNAL_H

#include <core/gdb/gdb.h>
#include <core/vcpu/debug.h>

#include <string.h>

#define GDB_PACKET 0x10000u /* bytes of a packet's contents, at most */
#define GDB_POINTS 1024u    /* breakpoints and watchpoints, at most */

/* gdb's numbers of signals, which are those of Linux as far as these go. */
#define GDB_SIGNAL_INT  2
#define GDB_SIGNAL_TRAP 5

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
    uint32_t kind;    /* gdb_point_kind */
    uint32_t process; /* whose threads stop there; 0: all */
} gdb_point;

/* Threads with the same registers: those of a process have, those of another one may not. */
typedef struct gdb_kind {
    const pb_cpu_type *type; /* one of them */
    GArray *registers;       /* gdb_register, by number */
    char *description;       /* target.xml */
} gdb_kind;

/* How a processor goes on. */
typedef struct gdb_go {
    bool holds;             /* it does not */
    uint32_t signal;        /* gdb's number */
    bool steps;             /* one instruction; or as long as pc is in: */
    uint64_t first, behind; /* range; equal: none */
} gdb_go;

/* A stop that came while another one was under way. */
typedef struct gdb_pending {
    pb_vcpu *vcpu;
    uint64_t pc;
    pb_debug_stop stop;
} gdb_pending;

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
    bool no_ack, multiprocess, says_breaks, extended, says_none_left, says_executes;
    bool physical, interrupts;    /* addresses are physical; steps may go into interrupt handlers */
    uint32_t thread, step_thread; /* of Hg and Hc: numbers; step_thread 0: any */
    uint32_t next_thread;         /* of qsThreadInfo: index */
    GPtrArray *files; /* names of those that the client has open, null: of none; may be null */
    GPtrArray *flash; /* what vFlashErase and vFlashWrite gave, until vFlashDone; may be null */

    GArray *
        threads; /* pb_gdb_thread: those that there are, as of the last stop, and that the client has */
    bool detached[PB_MOST_CLUSTERS]; /* clusters that it has let go */
    bool let_go;                     /* of all of them */
    GPtrArray *kinds;                /* gdb_kind */
    GArray *points;                  /* gdb_point */
    uint64_t wrote; /* processors whose registers were written, by index modulo 64 */

    bool paused;  /* we hold a pause */
    bool running; /* the client waits for a stop */
    bool over;    /* the run ended */
    bool ending;  /* the client asked for it */
    bool killed;  /* the client ended the program, and may have it run again */
    char handed;  /* how the stub came here: S started, X executed, 0: by itself */

    GMutex lock;  /* of what follows */
    bool stopped; /* somebody stopped, and the pause has begun */
    pb_vcpu *stopped_vcpu;
    uint32_t stop_signal; /* gdb's number */
    pb_debug_stop stop;
    pb_gdb_event event;
    GArray *pending; /* gdb_pending, in the order in which they came */
    GArray *
        go; /* gdb_go of each processor, by index: those behind its end go freely. Written while they stand */
    /* Of a program: */
    bool attached; /* there is a client, which is told of events */
    bool thread_events, catches;
    uint32_t begun;    /* threads since it went on */
    uint64_t passes;   /* signals that stop nothing: bit 0 is signal 1 */
    GHashTable *calls; /* numbers of system calls that are caught; null: all */
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
/* What another stub listened at, and its client: handed.c. */
bool gdb_take_over(pb_gdb *gdb, const char *text, GError **error);
/* Go on with a client that is there. */
void gdb_serve(pb_gdb *gdb, int client);
void gdb_listen_on(pb_gdb *gdb, int listener, const char *address);

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
/* Of the thread that g, m and the like are about; or of a processor. */
const gdb_kind *gdb_current_kind(const pb_gdb *gdb);
const gdb_kind *gdb_kind_of(const pb_gdb *gdb, const pb_vcpu *vcpu);
void gdb_kind_free(void *kind);
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
/* Whether the client still wants a stop at pc. */
bool gdb_point_is_there(const pb_gdb *gdb, const pb_gdb_thread *thread, uint64_t pc,
                        const pb_debug_stop *stop);
static inline bool gdb_point_is_for(const gdb_point *point, const pb_gdb_thread *thread)
{
    return point->process == 0 || point->process == thread->process;
}
/* Those of a process go. */
void gdb_points_forget(pb_gdb *gdb, uint32_t process);

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
/* The program is over, and the client may have it run again. */
bool gdb_is_gone(const pb_gdb *gdb);
/* From now on, or no more, there is a client that is told of events. */
void gdb_attach(pb_gdb *gdb, bool attached);
void gdb_vcont(pb_gdb *gdb, const char *actions);
/* `c` and `s`: with an address, or none. */
void gdb_continue(pb_gdb *gdb, const char *address, bool steps, uint32_t signal);

/* ---- program.c: user programs ------------------------------------------------------------------------------- */

/* gdb's number of a signal of Linux, and back; 0: none. */
uint32_t gdb_signal_from(int linux_signal);
int gdb_signal_to(uint64_t signal);
/* Whether the client wants to be told of an event. Under gdb->lock. */
bool gdb_program_wants(const pb_gdb *gdb, const pb_vcpu *vcpu, const pb_gdb_event *event);
/* The stop of an event: the whole packet for those of its own kind (true), or what stands in a T packet. */
bool gdb_program_report(const pb_gdb *gdb, GString *text);
void gdb_program_forget(pb_gdb *gdb);
void gdb_program_pass(pb_gdb *gdb, const char *text, gsize length);
void gdb_program_catch(pb_gdb *gdb, const char *text, gsize length);
void gdb_program_thread_events(pb_gdb *gdb, const char *text, gsize length);
void gdb_program_auxv(pb_gdb *gdb, const char *text, gsize length);
void gdb_program_path(pb_gdb *gdb, const char *text, gsize length);
/* vRun, behind "Run;". */
void gdb_program_run(pb_gdb *gdb, const char *text, gsize length);
void gdb_program_siginfo(pb_gdb *gdb, const char *text, gsize length);
void gdb_program_set_siginfo(pb_gdb *gdb, const char *text, gsize length);

/* ---- file.c: files of the program's system ------------------------------------------------------------------- */

/* vFile packets, behind "vFile:". */
void gdb_file(pb_gdb *gdb, const char *text, gsize length);
void gdb_file_forget(pb_gdb *gdb);

/* ---- queries.c ----------------------------------------------------------------------------------------------- */

/* A part of a document: "OFFSET,LENGTH". */
void gdb_send_part(pb_gdb *gdb, const char *document, gsize bytes, const char *text);

/* ---- threads.c ----------------------------------------------------------------------------------------------- */

/* See which there are. While they stand. */
void gdb_threads_renew(pb_gdb *gdb);
static inline const pb_gdb_thread *gdb_thread_at(const pb_gdb *gdb, uint32_t index)
{
    return &g_array_index(gdb->threads, pb_gdb_thread, index);
}
/* By number, or of a processor; null: there is none. */
const pb_gdb_thread *gdb_thread_find(const pb_gdb *gdb, uint64_t number);
const pb_gdb_thread *gdb_thread_of(const pb_gdb *gdb, const pb_vcpu *vcpu);
/* The thread that g, m and the like are about, and its processor. */
const pb_gdb_thread *gdb_thread_current(const pb_gdb *gdb);
pb_vcpu *gdb_cpu(const pb_gdb *gdb);
/* How it goes on. */
gdb_go *gdb_go_of(pb_gdb *gdb, const pb_vcpu *vcpu);

enum { GDB_ANY = 0, GDB_ALL = -1 };

/* A thread-id: a process and a thread of it, or GDB_ANY or GDB_ALL for either. */
typedef struct gdb_thread_id {
    int64_t process, thread;
} gdb_thread_id;

/* One at *text: p1.2, 2, p1.-1, -1, 0, p1. False: it is none, or of nobody. */
bool gdb_parse_thread(const pb_gdb *gdb, const char **text, gdb_thread_id *id);
bool gdb_thread_is(const pb_gdb *gdb, const pb_gdb_thread *thread, const gdb_thread_id *id);
void gdb_append_thread(const pb_gdb *gdb, GString *to, const pb_gdb_thread *thread);
bool gdb_has_process(const pb_gdb *gdb, uint64_t process);
/* A cluster is none of the client's any more, while it has others: its processors go on with them; or it is again. False: there is
 * no such process. */
void gdb_let_go(pb_gdb *gdb, uint32_t process);
bool gdb_take_back(pb_gdb *gdb, uint64_t process);
/* Whether the client has this process alone. */
bool gdb_is_last_process(const pb_gdb *gdb, uint64_t process);
/* All are the client's again. */
void gdb_take_all_back(pb_gdb *gdb);
/* Any thread of a process is the current one, that which is if it is of it. */
void gdb_choose_process(pb_gdb *gdb, uint32_t process);

#endif
