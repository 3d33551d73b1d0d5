/*
 * What the files that show values for --strace share (strace_values.c, strace_files.c, strace_sockets.c, strace_signals.c,
 * strace_processes.c). A function show_... is a shape's, and add_... appends a part of what one shows.
 *
 * Structures that are the same on all little-endian LP64 architectures are read as the host's; others by the architecture's
 * layout. What cannot be read, and what a call that failed did not fill in, is shown as its address.
 */
#ifndef CORE_USER_STRACE_SHOW_H
#define CORE_USER_STRACE_SHOW_H

#include <core/user/strace.h>

#define MOST_BYTES   32 /* of a text */
#define MOST_PATH    4096
#define MOST_MEMBERS 32 /* of a list */

typedef pb_strace_view view;
typedef pb_strace_shape shape;

static inline void add(view *v, const char *text)
{
    g_string_append(v->text, text);
}

static inline G_GNUC_PRINTF(2, 3) void print(view *v, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_string_append_vprintf(v->text, format, args);
    va_end(args);
}

static inline bool get(const view *v, uint64_t gva, void *to, uint64_t bytes)
{
    return pb_user_space_read(v->t->user->space, gva, to, bytes);
}

/* An address that is not followed. */
static inline void show_address(view *v, uint64_t value)
{
    if (value)
        print(v, "%#" G_GINT64_MODIFIER "x", value);
    else
        add(v, "NULL");
}

static inline bool failed(const view *v)
{
    return v->after && v->result < 0;
}

/* Read a structure, or show its address: then false. */
static inline bool take(view *v, const shape *s, uint64_t gva, void *to, uint64_t bytes)
{
    if (gva && !(s->out && failed(v)) && get(v, gva, to, bytes))
        return true;
    show_address(v, gva);
    return false;
}

/* What has one shape or another, by another argument. */
static inline void show_as(view *v, const shape *s, uint64_t value)
{
    s->show(v, s, value);
}

/* n bytes of the program, at most MOST_BYTES. */
void pb_strace_add_bytes(pb_strace_view *v, uint64_t gva, uint64_t n, bool hex);
/* A text that ends with 0: `most` bytes of it. */
void pb_strace_add_string(pb_strace_view *v, uint64_t gva, uint64_t most);
/* The members of a set of n bits. */
void pb_strace_add_set(pb_strace_view *v, uint64_t gva, uint64_t n);
/* `left`: how many bytes of the buffers there are. */
void pb_strace_add_iovec(pb_strace_view *v, uint64_t gva, uint64_t count, uint64_t left);

#endif
