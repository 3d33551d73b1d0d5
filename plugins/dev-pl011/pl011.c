/*
 * Arm PrimeCell UART (PL011). Arm DDI 0183, revision r1p5.
 *
 * Ports: irq (UARTINTR), serial, clock.
 * Not modelled: DMA requests, IrDA, modem inputs, the interrupt outputs of single causes
 * (UARTRXINTR ...).
 *
 * Characters take no time to send; where output backs up behind the port, the transmit FIFO is
 * full. They take none to receive either: the receiver takes what its FIFO has room for and leaves
 * the rest with the backend, so that input is not lost where a person or a script types faster than
 * the guest reads.
 */
#include <patchbay/device.h>

#define FIFO_DEPTH 16

/* UARTDR 3.3.1: what stands beside a received character; UARTRSR has the same bits, 8 lower. */
#define DR_FE           (1u << 8)
#define DR_BE           (1u << 10)
#define DR_OE           (1u << 11)
#define DR_STATUS_SHIFT 8
#define RSR_OE          (DR_OE >> DR_STATUS_SHIFT)

/* UARTFR 3.3.3 */
#define FR_CTS  (1u << 0)
#define FR_DSR  (1u << 1)
#define FR_DCD  (1u << 2)
#define FR_BUSY (1u << 3)
#define FR_RXFE (1u << 4)
#define FR_TXFF (1u << 5)
#define FR_RXFF (1u << 6)
#define FR_TXFE (1u << 7)
#define FR_RI   (1u << 8)

/* UARTLCR_H 3.3.7 */
#define LCR_H_BRK (1u << 0)
#define LCR_H_FEN (1u << 4)

/* UARTCR 3.3.8 */
#define CR_UARTEN (1u << 0)
#define CR_LBE    (1u << 7)
#define CR_RXE    (1u << 9)
#define CR_DTR    (1u << 10)
#define CR_RTS    (1u << 11)
#define CR_OUT1   (1u << 12)
#define CR_OUT2   (1u << 13)

/* Bits of UARTIMSC, UARTRIS, UARTMIS and UARTICR 3.3.10 to 3.3.13 */
#define INT_RI  (1u << 0)
#define INT_CTS (1u << 1)
#define INT_DCD (1u << 2)
#define INT_DSR (1u << 3)
#define INT_RX  (1u << 4)
#define INT_TX  (1u << 5)
#define INT_RT  (1u << 6)
#define INT_FE  (1u << 7)
#define INT_BE  (1u << 9)
#define INT_OE  (1u << 10)

typedef struct pl011 {
    uint32_t rsr, ilpr, ibrd, fbrd, lcr_h, cr, ifls, imsc, ris, dmacr;
    uint16_t rx[FIFO_DEPTH]; /* character and DR_* bits; rx_len of them from rx_head on */
    uint8_t rx_head, rx_len;
    bool overrun;      /* a character was lost; the next one is marked with it */
    uint32_t modem;    /* FR_* bits of the modem inputs, for their changes */
    pb_timer *timeout; /* 32 bit periods after the last character */
    uint32_t clock_hz;
    pb_clock *clock;
    pb_line *irq;
    const pb_link *serial;
} pl011;

/* ---- interrupts ------------------------------------------------------------------------------ */

static void update_irq(pl011 *s)
{
    pb_line_set(s->irq, (s->ris & s->imsc) != 0);
}

/* ---- receiver -------------------------------------------------------------------------------- */

static uint32_t rx_depth(const pl011 *s)
{
    return s->lcr_h & LCR_H_FEN ? FIFO_DEPTH : 1;
}

/* UARTIFLS.RXIFLSEL 3.3.9: characters that raise the receive interrupt; reserved values as 7/8. */
static uint32_t rx_trigger(const pl011 *s)
{
    static const uint8_t eighths[8] = { 1, 2, 4, 6, 7, 7, 7, 7 };

    return s->lcr_h & LCR_H_FEN ? eighths[(s->ifls >> 3) & 7] * FIFO_DEPTH / 8 : 1;
}

/* 32 bit periods. A bit lasts 16 * (UARTIBRD + UARTFBRD / 64) cycles of UARTCLK, 2.4.1. The
 * hardware has no bit clock at a divisor of 0; we take the smallest one that is valid, because the
 * backend's characters come anyway. */
static uint64_t timeout_ns(const pl011 *s)
{
    uint64_t divisor_64ths = (uint64_t)s->ibrd << 6 | s->fbrd;

    if (divisor_64ths < 64)
        divisor_64ths = 64;
    return 32 * 16 * divisor_64ths * UINT64_C(1000000000) / 64 / s->clock_hz;
}

/* 2.4.3, Interrupts 2.8. The lost character of an overrun shows at the next one that finds room. */
static void rx_push(pl011 *s, uint32_t character)
{
    if (s->rx_len == rx_depth(s)) {
        s->overrun = true;
        s->rsr |= RSR_OE;
        s->ris |= INT_OE;
        return;
    }
    if (s->overrun)
        character |= DR_OE;
    s->overrun = false;
    s->rx[(s->rx_head + s->rx_len++) % FIFO_DEPTH] = (uint16_t)character;

    if (s->rx_len >= rx_trigger(s))
        s->ris |= INT_RX;
    if (character & DR_FE)
        s->ris |= INT_FE;
    if (character & DR_BE)
        s->ris |= INT_BE;
    pb_timer_set(s->timeout, pb_clock_now_ns(s->clock) + timeout_ns(s));
}

/* One zero character. Its stop bit is missing too, so it is also a framing error. */
static void rx_break(pl011 *s)
{
    rx_push(s, DR_BE | DR_FE);
}

static void rx_empty(pl011 *s)
{
    s->rx_len = 0;
    s->ris &= ~(INT_RX | INT_RT);
    pb_timer_cancel(s->timeout);
}

static bool rx_enabled(const pl011 *s)
{
    return (s->cr & (CR_UARTEN | CR_RXE)) == (CR_UARTEN | CR_RXE);
}

static void timeout_expired(void *self)
{
    pl011 *s = self;

    s->ris |= INT_RT;
    update_irq(s);
}

/* ---- serial port ----------------------------------------------------------------------------- */

static uint32_t serial_can_receive(void *self, uint32_t index)
{
    const pl011 *s = self;

    return rx_enabled(s) && !(s->cr & CR_LBE) ? rx_depth(s) - s->rx_len : 0;
}

static void serial_receive(void *self, uint32_t index, const uint8_t *bytes, uint32_t length)
{
    pl011 *s = self;

    for (uint32_t i = 0; i < length; i++)
        rx_push(s, bytes[i]);
    update_irq(s);
}

static void serial_event(void *self, uint32_t index, uint32_t event)
{
    pl011 *s = self;

    if (event == PB_STREAM_BREAK && rx_enabled(s) && !(s->cr & CR_LBE)) {
        rx_break(s);
        update_irq(s);
    }
}

/* There is room in the transmit FIFO again. */
static void serial_ready(void *self, uint32_t index)
{
    pl011 *s = self;

    s->ris |= INT_TX;
    update_irq(s);
}

static const pb_stream_client_iface serial_iface = {
    .size = sizeof(serial_iface),
    .can_receive = serial_can_receive,
    .receive = serial_receive,
    .event = serial_event,
    .ready = serial_ready,
};

/* ---- modem status ---------------------------------------------------------------------------- */

/* In loopback the modem outputs feed the inputs, 2.4.4; otherwise no modem is there. */
static uint32_t modem_inputs(const pl011 *s)
{
    if (!(s->cr & CR_LBE))
        return 0;
    return (s->cr & CR_RTS ? FR_CTS : 0) | (s->cr & CR_DTR ? FR_DSR : 0) |
           (s->cr & CR_OUT1 ? FR_DCD : 0) | (s->cr & CR_OUT2 ? FR_RI : 0);
}

/* Each change of an input raises its interrupt. */
static void modem_update(pl011 *s)
{
    uint32_t changed = s->modem ^ modem_inputs(s);

    s->modem ^= changed;
    s->ris |= (changed & FR_CTS ? INT_CTS : 0) | (changed & FR_DSR ? INT_DSR : 0) |
              (changed & FR_DCD ? INT_DCD : 0) | (changed & FR_RI ? INT_RI : 0);
}

/* ---- registers ------------------------------------------------------------------------------- */

static uint64_t dr_read(void *self)
{
    pl011 *s = self;
    uint32_t character;

    if (!s->rx_len)
        return 0;
    character = s->rx[s->rx_head];
    s->rx_head = (s->rx_head + 1) % FIFO_DEPTH;
    s->rx_len--;
    s->rsr = (s->rsr & RSR_OE) | character >> DR_STATUS_SHIFT;

    if (!s->rx_len)
        rx_empty(s);
    else if (s->rx_len < rx_trigger(s))
        s->ris &= ~INT_RX;
    update_irq(s);
    pb_stream_resume(s->serial);
    return character;
}

static bool tx_full(const pl011 *s)
{
    return !(s->cr & CR_LBE) && pb_stream_busy(s->serial);
}

/* The hardware sends nothing while UARTEN or TXE is 0; we send, because early consoles of kernels
 * rely on a firmware that set the UART up, and a kernel that is loaded directly has none. The
 * hardware raises the transmit interrupt when the FIFO drains through its trigger level; here every
 * character leaves at once, so every character does. One that makes the port busy fills the FIFO,
 * and takes the interrupt away until the port is ready. */
static void dr_write(void *self, uint64_t old, uint64_t now)
{
    pl011 *s = self;

    if (!(s->cr & CR_LBE))
        pb_stream_put(s->serial, (uint8_t)now);
    else if (rx_enabled(s))
        rx_push(s, (uint8_t)now);
    if (tx_full(s))
        s->ris &= ~INT_TX;
    else
        s->ris |= INT_TX;
    update_irq(s);
}

static void ecr_write(void *self, uint64_t old, uint64_t now)
{
    pl011 *s = self;

    s->rsr = 0;
}

static uint64_t fr_read(void *self)
{
    const pl011 *s = self;

    return (tx_full(s) ? FR_TXFF | FR_BUSY : FR_TXFE) | (s->rx_len == 0 ? FR_RXFE : 0) |
           (s->rx_len == rx_depth(s) ? FR_RXFF : 0) | s->modem;
}

/* Switching the FIFOs on or off empties them. */
static void lcr_h_write(void *self, uint64_t old, uint64_t now)
{
    pl011 *s = self;

    if ((old ^ now) & LCR_H_FEN)
        rx_empty(s);
    if (now & ~old & LCR_H_BRK && s->cr & CR_LBE && rx_enabled(s))
        rx_break(s);
    update_irq(s);
    pb_stream_resume(s->serial);
}

static void cr_write(void *self, uint64_t old, uint64_t now)
{
    pl011 *s = self;

    modem_update(s);
    update_irq(s);
    pb_stream_resume(s->serial);
}

static void imsc_write(void *self, uint64_t old, uint64_t now)
{
    update_irq(self);
}

static uint64_t mis_read(void *self)
{
    const pl011 *s = self;

    return s->ris & s->imsc;
}

static void icr_write(void *self, uint64_t old, uint64_t now)
{
    pl011 *s = self;

    s->ris &= ~(uint32_t)now;
    update_irq(s);
}

static const pb_field dr_fields[] = {
    { "DATA", 0, 8, .doc = "Character" },
    { "FE", 8, 1, .mode = PB_RO, .doc = "Framing error" },
    { "PE", 9, 1, .mode = PB_RO, .doc = "Parity error" },
    { "BE", 10, 1, .mode = PB_RO, .doc = "Break error" },
    { "OE", 11, 1, .mode = PB_RO, .doc = "Overrun error" },
    { 0 },
};

static const pb_field rsr_fields[] = {
    { "FE", 0, 1, .doc = "Framing error" },
    { "PE", 1, 1, .doc = "Parity error" },
    { "BE", 2, 1, .doc = "Break error" },
    { "OE", 3, 1, .doc = "Overrun error" },
    { 0 },
};

static const pb_field fr_fields[] = {
    { "CTS", 0, 1, .doc = "Clear to send" },       { "DSR", 1, 1, .doc = "Data set ready" },
    { "DCD", 2, 1, .doc = "Data carrier detect" }, { "BUSY", 3, 1, .doc = "UART busy" },
    { "RXFE", 4, 1, .doc = "Receive FIFO empty" }, { "TXFF", 5, 1, .doc = "Transmit FIFO full" },
    { "RXFF", 6, 1, .doc = "Receive FIFO full" },  { "TXFE", 7, 1, .doc = "Transmit FIFO empty" },
    { "RI", 8, 1, .doc = "Ring indicator" },       { 0 },
};

/* The frame's format makes no difference to a stream of bytes. */
static const pb_field lcr_h_fields[] = {
    { "BRK", 0, 1, .doc = "Send break; seen in loopback only" },
    { "PEN", 1, 1, .doc = "Parity enable" },
    { "EPS", 2, 1, .doc = "Even parity select" },
    { "STP2", 3, 1, .doc = "Two stop bits select" },
    { "FEN", 4, 1, .doc = "Enable FIFOs" },
    { "WLEN", 5, 2, .doc = "Word length" },
    { "SPS", 7, 1, .doc = "Stick parity select" },
    { 0 },
};

static const pb_field cr_fields[] = {
    { "UARTEN", 0, 1, .doc = "UART enable" },
    { "SIREN", 1, 1, .status = PB_UNMODELLED, .doc = "SIR enable" },
    { "SIRLP", 2, 1, .status = PB_UNMODELLED, .doc = "SIR low-power IrDA mode" },
    { "LBE", 7, 1, .doc = "Loopback enable" },
    { "TXE", 8, 1, .doc = "Transmit enable" },
    { "RXE", 9, 1, .doc = "Receive enable" },
    { "DTR", 10, 1, .doc = "Data transmit ready" },
    { "RTS", 11, 1, .doc = "Request to send" },
    { "Out1", 12, 1, .doc = "Complement of nUARTOut1" },
    { "Out2", 13, 1, .doc = "Complement of nUARTOut2" },
    { "RTSEn", 14, 1, .status = PB_UNMODELLED, .doc = "RTS hardware flow control enable" },
    { "CTSEn", 15, 1, .status = PB_UNMODELLED, .doc = "CTS hardware flow control enable" },
    { 0 },
};

static const pb_field ifls_fields[] = {
    { "TXIFLSEL", 0, 3, .doc = "Transmit interrupt FIFO level select" },
    { "RXIFLSEL", 3, 3, .doc = "Receive interrupt FIFO level select" },
    { 0 },
};

static const pb_field int_fields[] = {
    { "RI", 0, 1, .doc = "nUARTRI modem" },   { "CTS", 1, 1, .doc = "nUARTCTS modem" },
    { "DCD", 2, 1, .doc = "nUARTDCD modem" }, { "DSR", 3, 1, .doc = "nUARTDSR modem" },
    { "RX", 4, 1, .doc = "Receive" },         { "TX", 5, 1, .doc = "Transmit" },
    { "RT", 6, 1, .doc = "Receive timeout" }, { "FE", 7, 1, .doc = "Framing error" },
    { "PE", 8, 1, .doc = "Parity error" },    { "BE", 9, 1, .doc = "Break error" },
    { "OE", 10, 1, .doc = "Overrun error" },  { 0 },
};

static const pb_field dmacr_fields[] = {
    { "RXDMAE", 0, 1, .status = PB_UNMODELLED, .doc = "Receive DMA enable" },
    { "TXDMAE", 1, 1, .status = PB_UNMODELLED, .doc = "Transmit DMA enable" },
    { "DMAONERR", 2, 1, .status = PB_UNMODELLED, .doc = "DMA on error" },
    { 0 },
};

static const pb_reg pl011_regs[] = {
    { "UARTDR", 0x000, 12, .read = dr_read, .write = dr_write, .raw_write = true,
      .fields = dr_fields, .doc = "Data" },
    { "UARTRSR", 0x004, 4, .mode = PB_RO, PB_STORE(pl011, rsr), .fields = rsr_fields,
      .doc = "Receive status" },
    { "UARTECR", 0x004, 8, .mode = PB_WO, .write = ecr_write, .doc = "Error clear" },
    { "UARTFR", 0x018, 9, .mode = PB_RO, .read = fr_read, .reset = 0x90, .fields = fr_fields,
      .doc = "Flags" },
    { "UARTILPR", 0x020, 8, PB_STORE(pl011, ilpr), .status = PB_UNMODELLED,
      .doc = "IrDA low-power counter" },
    { "UARTIBRD", 0x024, 16, PB_STORE(pl011, ibrd), .doc = "Integer baud rate" },
    { "UARTFBRD", 0x028, 6, PB_STORE(pl011, fbrd), .doc = "Fractional baud rate" },
    { "UARTLCR_H", 0x02c, 8, PB_STORE(pl011, lcr_h), .write = lcr_h_write, .fields = lcr_h_fields,
      .doc = "Line control" },
    { "UARTCR", 0x030, 16, PB_STORE(pl011, cr), .write = cr_write, .reset = 0x300,
      .write_mask = 0xff87, .fields = cr_fields, .doc = "Control" },
    { "UARTIFLS", 0x034, 6, PB_STORE(pl011, ifls), .reset = 0x12, .fields = ifls_fields,
      .doc = "Interrupt FIFO level select" },
    { "UARTIMSC", 0x038, 11, PB_STORE(pl011, imsc), .write = imsc_write, .fields = int_fields,
      .doc = "Interrupt mask set/clear" },
    { "UARTRIS", 0x03c, 11, .mode = PB_RO, PB_STORE(pl011, ris), .fields = int_fields,
      .doc = "Raw interrupt status" },
    { "UARTMIS", 0x040, 11, .mode = PB_RO, .read = mis_read, .fields = int_fields,
      .doc = "Masked interrupt status" },
    { "UARTICR", 0x044, 11, .mode = PB_WO, .write = icr_write, .fields = int_fields,
      .doc = "Interrupt clear" },
    { "UARTDMACR", 0x048, 3, PB_STORE(pl011, dmacr), .fields = dmacr_fields, .doc = "DMA control" },

    /* Test registers for integration, chapter 4 */
    { "UARTTCR", 0x080, 3, .status = PB_UNMODELLED, .doc = "Test control" },
    { "UARTITIP", 0x084, 8, .status = PB_UNMODELLED, .doc = "Integration test input" },
    { "UARTITOP", 0x088, 16, .status = PB_UNMODELLED, .doc = "Integration test output" },
    { "UARTTDR", 0x08c, 11, .status = PB_UNMODELLED, .doc = "Test data" },

    { "UARTPeriphID0", 0xfe0, 8, .mode = PB_RO, .reset = 0x11, .doc = "Part number 7:0" },
    { "UARTPeriphID1", 0xfe4, 8, .mode = PB_RO, .reset = 0x10,
      .doc = "Designer 3:0, part number 11:8" },
    { "UARTPeriphID2", 0xfe8, 8, .mode = PB_RO, .reset = 0x34, .doc = "Revision, designer 7:4" },
    { "UARTPeriphID3", 0xfec, 8, .mode = PB_RO, .reset = 0x00, .doc = "Configuration" },
    { "UARTPCellID0", 0xff0, 8, .mode = PB_RO, .reset = 0x0d, .doc = "PrimeCell identification" },
    { "UARTPCellID1", 0xff4, 8, .mode = PB_RO, .reset = 0xf0, .doc = "PrimeCell identification" },
    { "UARTPCellID2", 0xff8, 8, .mode = PB_RO, .reset = 0x05, .doc = "PrimeCell identification" },
    { "UARTPCellID3", 0xffc, 8, .mode = PB_RO, .reset = 0xb1, .doc = "PrimeCell identification" },
    { 0 },
};

/* ---- type ------------------------------------------------------------------------------------ */

static void reset(void *self)
{
    pl011 *s = self;

    rx_empty(s);
    s->rx_head = 0;
    s->overrun = false;
    s->modem = modem_inputs(s);
    update_irq(s);
}

static bool loaded(void *self, pb_error *error)
{
    const pl011 *s = self;

    if (s->rx_head >= FIFO_DEPTH || s->rx_len > rx_depth(s))
        return pb_fail(error, "receive FIFO of %u characters from %u on", s->rx_len, s->rx_head);
    return true;
}

static const pb_state pl011_state[] = {
    PB_STATE_ARRAY(pl011, rx),
    PB_STATE(pl011, rx_head),
    PB_STATE(pl011, rx_len),
    PB_STATE(pl011, overrun),
    PB_STATE(pl011, modem),
    PB_STATE_TIMER(pl011, timeout, timeout_expired),
    { 0 },
};

static const pb_prop pl011_props[] = {
    { "clock-hz", PB_PROP_HZ, PB_MEMBER(pl011, clock_hz), "24MHz", .min = 1, .max = UINT32_MAX,
      .doc = "Frequency of UARTCLK, from which baud rates are made" },
    { 0 },
};

static const pb_port pl011_ports[] = {
    { "irq", PB_PROTOCOL_IRQ, PB_REQUIRES, PB_HANDLE(pl011, irq), .optional = true,
      .doc = "Combined interrupt, UARTINTR" },
    { "serial", PB_PROTOCOL_CHAR, PB_REQUIRES, PB_HANDLE(pl011, serial), .optional = true,
      .iface = &serial_iface, .doc = "UARTTXD and UARTRXD" },
    { "clock", PB_PROTOCOL_CLOCK, PB_REQUIRES, PB_HANDLE(pl011, clock),
      .doc = "Time of the receive timeout" },
    { 0 },
};

static const pb_region pl011_regions[] = {
    { "regs", PB_REGION_REGS, 0x1000, .regs = pl011_regs, .access_max = 4, .doc = "Registers" },
    { 0 },
};

static const pb_fdt_desc pl011_fdt = {
    .size = sizeof(pl011_fdt),
    .node = "pl011",
    .compatible = (const char *const[]){ "arm,pl011", "arm,primecell", NULL },
    .clock_names = (const char *const[]){ "uartclk", "apb_pclk", NULL },
};

static const pb_device_type pl011_type = {
    .head = {
        .size = sizeof(pb_device_type),
        .kind = PB_KIND_DEVICE,
        .name = "pl011",
        .doc = "Arm PrimeCell UART",
        .instance_size = sizeof(pl011),
        .props = pl011_props,
        .ports = pl011_ports,
        .state = pl011_state,
        .reset = reset,
        .loaded = loaded,
    },
    .regions = pl011_regions,
    .fdt = &pl011_fdt,
    .manual = "Arm DDI 0183, PrimeCell UART (PL011) Technical Reference Manual, r1p5",
};

PB_EXPORT const pb_plugin pb_plugin_entry = {
    .size = sizeof(pb_plugin),
    .abi_major = PB_ABI_MAJOR,
    .abi_minor = PB_ABI_MINOR,
    .id = "dev-pl011",
    .version = "0.1",
    .licence = "MIT",
    .doc = "Arm PrimeCell UART",
    .types = (const pb_class *const[]){ &pl011_type.head, NULL },
};
