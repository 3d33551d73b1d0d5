/* Messages of sockets: sendmsg, recvmsg, and several at once. Addresses and control messages are the same on all little-endian
 * LP64 architectures. */
#include <core/user/handlers.h>

#include <limits.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>

#define MOST_CONTROL 65536 /* bytes that are sent; Linux's net.core.optmem_max is less */
#define MOST_AT_ONCE 1024  /* messages, as in Linux */

/* A message of the program with its buffers, as the host's. */
typedef struct message {
    struct msghdr header;
    struct iovec list[IOV_MAX];
    uint8_t *control; /* copied, or null; g_free() it */
} message;

/* socket(7): such a call is not made again. Of those that have a socket, and may begin again, these send. */
bool pb_user_has_limit(const pb_user_row *row, const uint64_t a[6])
{
    static const char *const senders[] = { "send", "write", "pwrite", "connect" };
    int option = SO_RCVTIMEO;
    struct timeval limit = { 0, 0 };
    socklen_t bytes = sizeof(limit);

    if (row->arguments[0] != 'f')
        return false;
    for (unsigned i = 0; i < G_N_ELEMENTS(senders); i++) {
        if (g_str_has_prefix(row->name, senders[i]))
            option = SO_SNDTIMEO;
    }
    return getsockopt((int)a[0], SOL_SOCKET, option, &limit, &bytes) == 0 &&
           (limit.tv_sec || limit.tv_usec);
}

static int64_t take_message(pb_user_thread *t, uint64_t gva, message *m)
{
    struct msghdr *header = &m->header;
    int64_t count;

    if (!pb_user_space_read(t->user->space, gva, header, sizeof(*header)))
        return -EFAULT;
    count =
        pb_user_take_iovec(t, (uint64_t)(uintptr_t)header->msg_iov, header->msg_iovlen, m->list);
    if (count < 0)
        return count == -EINVAL ? -EMSGSIZE : count;
    header->msg_name = pb_user_pointer(t->user, (uint64_t)(uintptr_t)header->msg_name);
    header->msg_iov = m->list;
    return count;
}

/* -EBADF if descriptors of the emulator are among those that are to be sent. The C library's macros take the program's word
 * for lengths. */
static int check_control(const pb_user_thread *t, struct msghdr *header)
{
    const uint8_t *end = (const uint8_t *)header->msg_control + header->msg_controllen;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
        if (c->cmsg_len < sizeof(*c) || c->cmsg_len > (size_t)(end - (const uint8_t *)c))
            return -EINVAL;
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len; at += sizeof(int)) {
            int fd;

            memcpy(&fd, (const uint8_t *)c + at, sizeof(fd));
            if (pb_user_owns_fd(t->user, (uint32_t)fd))
                return -EBADF;
        }
    }
    return 0;
}

/* What is checked is what is sent: a copy, which no other thread of the program changes. */
static int64_t take_control(pb_user_thread *t, message *m)
{
    struct msghdr *header = &m->header;
    uint64_t gva = (uint64_t)(uintptr_t)header->msg_control;

    header->msg_control = NULL;
    if (header->msg_controllen > MOST_CONTROL)
        return -ENOBUFS;
    if (header->msg_controllen == 0)
        return 0;
    m->control = g_malloc(header->msg_controllen);
    if (!pb_user_space_read(t->user->space, gva, m->control, header->msg_controllen))
        return -EFAULT;
    header->msg_control = m->control;
    return check_control(t, header);
}

HANDLER(sys_sendmsg)
{
    g_autofree message *m = g_new0(message, 1);
    int64_t result;

    if (pb_user_owns_fd(t->user, (uint32_t)a[0]))
        return -EBADF;
    result = take_message(t, a[1], m);
    if (result >= 0)
        result = take_control(t, m);
    if (result >= 0)
        result = pb_user_host(t, SYS_sendmsg, a[0], (uintptr_t)&m->header, a[2], 0, 0, 0);
    g_free(m->control);
    return result;
}

static bool put(pb_user_thread *t, uint64_t gva, const void *from, size_t bytes)
{
    return pb_user_space_write(t->user->space, gva, from, bytes);
}

HANDLER(sys_recvmsg)
{
    g_autofree message *m = g_new0(message, 1);
    struct msghdr *header = &m->header;
    int64_t count, result;

    if (pb_user_owns_fd(t->user, (uint32_t)a[0]))
        return -EBADF;
    count = take_message(t, a[1], m);
    if (count < 0)
        return count;
    header->msg_control = pb_user_pointer(t->user, (uint64_t)(uintptr_t)header->msg_control);
    result = pb_user_host(t, SYS_recvmsg, a[0], (uintptr_t)header, a[2], 0, 0, 0);
    if (result < 0)
        return result;
    pb_user_have_read_list(t, m->list, count, result);
    if (!put(t, a[1] + offsetof(struct msghdr, msg_namelen), &header->msg_namelen,
             sizeof(header->msg_namelen)) ||
        !put(t, a[1] + offsetof(struct msghdr, msg_controllen), &header->msg_controllen,
             sizeof(header->msg_controllen)) ||
        !put(t, a[1] + offsetof(struct msghdr, msg_flags), &header->msg_flags,
             sizeof(header->msg_flags)))
        return -EFAULT;
    return result;
}

/* ---- several ---------------------------------------------------------------------------------------------- */

/* Where the i-th message of a list is, and where its length is told. */
static uint64_t nth(uint64_t gva, uint64_t i)
{
    return gva + i * sizeof(struct mmsghdr);
}

static bool put_length(pb_user_thread *t, uint64_t gva, int64_t length)
{
    uint32_t bytes = (uint32_t)length;

    return put(t, gva + offsetof(struct mmsghdr, msg_len), &bytes, sizeof(bytes));
}

/* An error is told if nothing was done before it. */
HANDLER(sys_sendmmsg)
{
    uint64_t most = MIN((uint32_t)a[2], MOST_AT_ONCE), n = 0;
    int64_t result = 0;

    for (; n < most; n++) {
        const uint64_t one[6] = { a[0], nth(a[1], n), a[3] };

        result = sys_sendmsg(t, one);
        if (result >= 0 && !put_length(t, one[1], result))
            result = -EFAULT;
        if (result < 0)
            break;
    }
    return n ? (int64_t)n : result;
}

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* The end of a time to wait that the program gave; an error below 0. */
static int64_t take_end(pb_user_thread *t, uint64_t gva)
{
    struct timespec time;

    if (!gva)
        return INT64_MAX;
    if (!pb_user_space_read(t->user->space, gva, &time, sizeof(time)))
        return -EFAULT;
    if (time.tv_sec < 0 || (uint64_t)time.tv_nsec >= 1000000000)
        return -EINVAL;
    return time.tv_sec > INT64_C(1000000000)
               ? INT64_MAX
               : now_ns() + time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

/* As in Linux, the time is looked at after each message, and does not end waiting for one. */
HANDLER(sys_recvmmsg)
{
    uint64_t most = MIN((uint32_t)a[2], MOST_AT_ONCE), n = 0, flags = a[3];
    int64_t end = take_end(t, a[4]), result = 0;

    if (end < 0)
        return end;
    while (n < most) {
        const uint64_t one[6] = { a[0], nth(a[1], n), flags & ~(uint64_t)MSG_WAITFORONE };

        result = sys_recvmsg(t, one);
        if (result >= 0 && !put_length(t, one[1], result))
            result = -EFAULT;
        if (result < 0)
            break;
        n++;
        if (flags & MSG_WAITFORONE)
            flags |= MSG_DONTWAIT;
        if (end != INT64_MAX && now_ns() >= end)
            break;
    }
    if (a[4] && n) {
        int64_t left = MAX(end - now_ns(), 0);
        const struct timespec time = { left / 1000000000, left % 1000000000 };

        if (end != INT64_MAX)
            put(t, a[4], &time, sizeof(time));
    }
    return n ? (int64_t)n : result;
}

/* ---- options ----------------------------------------------------------------------------------------------- */

/* Those whose values have addresses in them. Filters get the host's; the others are refused: tables of firewalls, and TCP's
 * receiving into mappings. */
enum {
    REPLACE_TABLE = 64,
    REPLACE_ARP_TABLE = 96,
    REPLACE_BRIDGE_TABLE = 128,
    RECEIVE_INTO_MAPPING = 35
};

static bool is_filter(const uint64_t a[6])
{
    return (int)a[1] == SOL_SOCKET &&
           ((int)a[2] == SO_ATTACH_FILTER || (int)a[2] == SO_ATTACH_REUSEPORT_CBPF);
}

static bool has_addresses(const uint64_t a[6])
{
    uint32_t option = (uint32_t)a[2];

    switch ((int)a[1]) {
    case IPPROTO_IP:
    case IPPROTO_IPV6:
        return option == REPLACE_TABLE || option == REPLACE_ARP_TABLE ||
               option == REPLACE_BRIDGE_TABLE;
    case IPPROTO_TCP:
        return option == RECEIVE_INTO_MAPPING;
    default:
        return false;
    }
}

/* The kernel copies the filter. */
static int64_t attach_filter(pb_user_thread *t, const uint64_t a[6])
{
    struct sock_fprog program;
    g_autofree struct sock_filter *filter = NULL;
    size_t bytes;

    if ((uint32_t)a[4] != sizeof(program))
        return -EINVAL;
    if (!pb_user_space_read(t->user->space, a[3], &program, sizeof(program)))
        return -EFAULT;
    bytes = program.len * sizeof(*filter);
    filter = g_malloc(MAX(bytes, 1));
    if (!pb_user_space_read(t->user->space, (uint64_t)(uintptr_t)program.filter, filter, bytes))
        return -EFAULT;
    program.filter = filter;
    return pb_user_host(t, SYS_setsockopt, a[0], a[1], a[2], (uintptr_t)&program, sizeof(program),
                        0);
}

HANDLER(sys_setsockopt)
{
    if (has_addresses(a))
        return -ENOPROTOOPT;
    if (is_filter(a))
        return attach_filter(t, a);
    return pb_user_host(t, SYS_setsockopt, a[0], a[1], a[2], host(t, a[3]), a[4], 0);
}

HANDLER(sys_getsockopt)
{
    if (has_addresses(a))
        return -ENOPROTOOPT;
    return pb_user_host(t, SYS_getsockopt, a[0], a[1], a[2], host(t, a[3]), host(t, a[4]), 0);
}
