/* How --strace shows addresses, messages and options of sockets. */
#include <core/user/strace_show.h>

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

/* ---- sockets --------------------------------------------------------------------------------------------- */

static void add_sockaddr(view *v, uint64_t gva, uint64_t bytes)
{
    union {
        struct sockaddr any;
        struct sockaddr_un un;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_nl nl;
        uint8_t bytes[sizeof(struct sockaddr_storage)];
    } address = { .bytes = { 0 } };
    char text[INET6_ADDRSTRLEN];
    uint64_t length;

    bytes = MIN(bytes, sizeof(address));
    if (!gva || bytes < sizeof(address.any.sa_family) || !get(v, gva, &address, bytes)) {
        show_address(v, gva);
        return;
    }
    add(v, "{sa_family=");
    pb_strace_number(v->text, pb_names_family, address.any.sa_family, "AF_???");
    switch (address.any.sa_family) {
    case AF_UNIX:
        length = bytes - offsetof(struct sockaddr_un, sun_path);
        if (bytes <= offsetof(struct sockaddr_un, sun_path))
            break;
        length = MIN(length, sizeof(address.un.sun_path));
        add(v, address.un.sun_path[0] ? ", sun_path=" : ", sun_path=@");
        if (address.un.sun_path[0])
            pb_strace_quote(v->text, (const uint8_t *)address.un.sun_path,
                            strnlen(address.un.sun_path, length), false, false);
        else
            pb_strace_quote(v->text, (const uint8_t *)address.un.sun_path + 1, length - 1, false,
                            false);
        break;
    case AF_INET:
        print(v, ", sin_port=htons(%u), sin_addr=inet_addr(\"%s\")", ntohs(address.in.sin_port),
              inet_ntop(AF_INET, &address.in.sin_addr, text, sizeof(text)));
        break;
    case AF_INET6:
        print(v,
              ", sin6_port=htons(%u), sin6_flowinfo=htonl(%u), inet_pton(AF_INET6, \"%s\", "
              "&sin6_addr), sin6_scope_id=%u",
              ntohs(address.in6.sin6_port), ntohl(address.in6.sin6_flowinfo),
              inet_ntop(AF_INET6, &address.in6.sin6_addr, text, sizeof(text)),
              address.in6.sin6_scope_id);
        break;
    case AF_NETLINK:
        print(v, ", nl_pid=%d, nl_groups=%08x", (int)address.nl.nl_pid, address.nl.nl_groups);
        break;
    default:
        add(v, ", sa_data=");
        pb_strace_quote(v->text, address.bytes + 2, MIN(bytes - 2, 14), false, false);
    }
    add(v, "}");
}

static void show_sockaddr(view *v, const shape *s, uint64_t value)
{
    add_sockaddr(v, value, (uint32_t)v->a[s->count]);
}

/* The length of it lies behind a pointer. */
static void show_out_sockaddr(view *v, const shape *s, uint64_t value)
{
    uint32_t bytes = 0;

    if (failed(v) || !get(v, v->a[s->count], &bytes, sizeof(bytes)))
        show_address(v, value);
    else
        add_sockaddr(v, value, bytes);
}

static void show_msghdr(view *v, const shape *s, uint64_t value)
{
    struct msghdr m;

    if (!take(v, s, value, &m, sizeof(m)))
        return;
    add(v, "{msg_name=");
    add_sockaddr(v, (uint64_t)(uintptr_t)m.msg_name, m.msg_namelen);
    print(v, ", msg_namelen=%d, msg_iov=", (int)m.msg_namelen);
    pb_strace_add_iovec(v, (uint64_t)(uintptr_t)m.msg_iov, m.msg_iovlen,
                        s->out ? (uint64_t)v->result : UINT64_MAX);
    print(v, ", msg_iovlen=%zu", m.msg_iovlen);
    if (m.msg_controllen) {
        add(v, ", msg_control=");
        show_address(v, (uint64_t)(uintptr_t)m.msg_control);
    }
    print(v, ", msg_controllen=%zu, msg_flags=", m.msg_controllen);
    pb_strace_bits(v->text, pb_names_message, (uint32_t)m.msg_flags, "MSG_???");
    add(v, "}");
}

static void show_socket_type(view *v, const shape *s, uint64_t value)
{
    uint64_t flags = value & ~UINT64_C(15);

    pb_strace_number(v->text, pb_names_socket_type, value & 15, "SOCK_???");
    if ((uint32_t)flags) {
        add(v, "|");
        pb_strace_bits(v->text, pb_names_socket_flags, (uint32_t)flags, NULL);
    }
}

static void show_protocol(view *v, const shape *s, uint64_t value)
{
    if (v->a[0] == AF_INET || v->a[0] == AF_INET6)
        pb_strace_number(v->text, pb_names_ip, (uint32_t)value, "IPPROTO_???");
    else if (v->a[0] == AF_NETLINK)
        pb_strace_number(v->text, pb_names_netlink, (uint32_t)value, "NETLINK_???");
    else
        print(v, "%u", (uint32_t)value);
}

static void show_option(view *v, const shape *s, uint64_t value)
{
    if ((int)v->a[1] == SOL_SOCKET)
        pb_strace_number(v->text, pb_names_so, (uint32_t)value, "SO_???");
    else if ((int)v->a[1] == IPPROTO_TCP)
        pb_strace_number(v->text, pb_names_tcp, (uint32_t)value, "TCP_???");
    else
        print(v, (uint32_t)value ? "%#x" : "0", (uint32_t)value);
}

static void show_sockopt(view *v, const shape *s, uint64_t value)
{
    uint64_t bytes = v->a[4];
    uint32_t n = 0;

    if (s->out) {
        bytes = get(v, v->a[4], &n, sizeof(n)) ? n : 0;
        n = 0;
    }
    if (bytes != sizeof(n))
        s->out || !value ? show_address(v, value) : pb_strace_add_bytes(v, value, bytes, false);
    else if (take(v, s, value, &n, sizeof(n)))
        print(v, "[%d]", (int)n);
}

const pb_strace_shape pb_shape_sockaddr = { show_sockaddr, .count = 2 },
                      pb_shape_out_sockaddr = { show_out_sockaddr, true, .count = 2 },
                      pb_shape_to_sockaddr = { show_sockaddr, .count = 5 },
                      pb_shape_from_sockaddr = { show_out_sockaddr, true, .count = 5 },
                      pb_shape_msghdr = { show_msghdr },
                      pb_shape_out_msghdr = { show_msghdr, true },
                      pb_shape_socket_type = { show_socket_type },
                      pb_shape_protocol = { show_protocol }, pb_shape_option = { show_option },
                      pb_shape_sockopt = { show_sockopt },
                      pb_shape_out_sockopt = { show_sockopt, true };
