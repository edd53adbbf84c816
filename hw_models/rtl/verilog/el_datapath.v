// One multiplier, the accumulator, and the roundings to q, m and d (contract, sections 3 and 4).
//
//   sums       acc = acc + x w (forward), e B or d w (signals); q = sat(rn(acc, s_z)); m = satn(rn(acc, s_m))
//   gates      d = sat(rn(m g, 7))
//   updates    minus = -(x d), for el_update a cycle later
module el_datapath #(
    parameter LAYERS = 1,
    parameter KW = 1,
    parameter MA = 16,                          // bits of operands x, d, m, e
    parameter MB = 8,                           // bits of operands w, B, g, x
    parameter XW = 8,
    parameter MW = 16,                          // bits of m
    parameter DW = 16,                          // bits of d
    parameter ACC = 32,                         // accumulator_bits
    parameter LEFT = 0,                         // largest shift to the left of a sum
    parameter [8*LAYERS-1:0] SUM_SHIFTS = 0,    // s_z
    parameter [8*LAYERS-1:0] SIGNAL_SHIFTS = 0, // s_m
    parameter READOUTS = 0,                     // whether hidden layers have readouts
    parameter [8*LAYERS-1:0] READOUT_SHIFTS = 0, // s_l
    parameter [16*LAYERS-1:0] M_MAX = 0,        // largest m
    parameter [16*LAYERS-1:0] D_MAX = 0         // largest d
) (
    input                       clk,
    input         [KW-1:0]      layer,
    // sums
    input                       sum_valid,
    input                       sum_first,
    input  signed [MA-1:0]      sum_factor,
    input  signed [MB-1:0]      sum_word,
    output reg signed [ACC-1:0] acc,
    input                       reading,        // the sum is one of a readout
    output signed [7:0]         q,
    output                      overflow,       // of the sum at hand, exact under EL_COUNT only
    // gates
    input                       take_modulator, // m of the sum at hand is kept
    input                       gate_valid,
    input                       gate_selects,   // m is a word of feedback in place of that of a sum
    input         [6:0]         gate,
    input                       clear_delta,
    input                       load_delta,
    input  signed [DW-1:0]      loaded_delta,
    output reg signed [DW-1:0]  delta,
    // updates
    input                       update_valid,
    input  signed [XW-1:0]      update_level,
    output signed [MA+MB:0]     minus
);
    localparam PW = MA + MB;
    localparam SW = (PW > ACC ? PW : ACC) + 1;
    localparam RW = ACC + LEFT + 1;

    // ---- the multiplier
    reg  signed [MW-1:0] kept_modulator;
    wire signed [MW-1:0] modulator_now;
    wire signed [MW-1:0] modulator = gate_selects ? modulator_now : kept_modulator;
    wire signed [MA-1:0] modulator_wide;
    el_extend #(.W(MW), .OW(MA)) extend_modulator_wide (.value(modulator), .out(modulator_wide));
    wire signed [MA-1:0] delta_wide;
    el_extend #(.W(DW), .OW(MA)) extend_delta_wide (.value(delta), .out(delta_wide));
    wire signed [MB-1:0] gate_wide = {{(MB-7){1'b0}}, gate};
    wire signed [MB-1:0] level_wide;
    el_extend #(.W(XW), .OW(MB)) extend_level_wide (.value(update_level), .out(level_wide));
    wire signed [MA-1:0] a = gate_valid ? modulator_wide : update_valid ? delta_wide : sum_factor;
    wire signed [MB-1:0] b = gate_valid ? gate_wide : update_valid ? level_wide : sum_word;
    wire signed [PW-1:0] product = a * b;

    // ---- sums
    wire signed [SW-1:0] product_wide;
    el_extend #(.W(PW), .OW(SW)) extend_product_wide (.value(product), .out(product_wide));
    wire signed [SW-1:0] acc_wide;
    el_extend #(.W(ACC), .OW(SW)) extend_acc_wide (.value(acc), .out(acc_wide));
    wire signed [SW-1:0] added = acc_wide + product_wide;
    wire signed [SW-1:0] total = sum_first ? product_wide : added;

    always @(posedge clk)
        if (sum_valid) acc <= total[ACC-1:0];

`ifdef EL_COUNT
    reg  signed [47:0] exact;
    wire signed [47:0] exact_product;
    el_extend #(.W(PW), .OW(48)) extend_exact_product (.value(product), .out(exact_product));
    wire signed [47:0] acc_exact;
    el_extend #(.W(ACC), .OW(48)) extend_acc_exact (.value(acc), .out(acc_exact));
    always @(posedge clk)
        if (sum_valid) exact <= sum_first ? exact_product : exact + exact_product;
    assign overflow = exact != acc_exact;
`else
    assign overflow = 1'b0;
`endif

    // ---- q and m
    wire signed [ACC-1:0] word_wide;
    el_extend #(.W(MB), .OW(ACC)) extend_word_wide (.value(sum_word), .out(word_wide));
    wire signed [ACC-1:0] signal_sum = gate_selects ? word_wide : acc;
    wire signed [RW-1:0] index_wide;
    wire signed [RW-1:0] modulator_full;
    wire index_cut, modulator_cut;

    el_round #(.W(ACC), .LEFT(LEFT), .LAYERS(LAYERS), .KW(KW), .SHIFTS(SUM_SHIFTS))
        index_round (.value(acc), .layer(layer), .more(5'd0), .rounded(index_wide));
    wire signed [RW-1:0] index_taken;
    generate
        if (READOUTS != 0) begin : readouts
            wire signed [RW-1:0] readout_wide;
            el_round #(.W(ACC), .LEFT(LEFT), .LAYERS(LAYERS), .KW(KW), .SHIFTS(READOUT_SHIFTS))
                readout_round (.value(acc), .layer(layer), .more(5'd0), .rounded(readout_wide));
            assign index_taken = reading ? readout_wide : index_wide;
        end else begin : no_readouts
            wire unused = reading;
            assign index_taken = index_wide;
        end
    endgenerate
    el_sat #(.W(RW), .OW(8)) index_sat (.value(index_taken), .lo(-8'sd128), .hi(8'sd127), .limited(q), .cut(index_cut));
    el_round #(.W(ACC), .LEFT(LEFT), .LAYERS(LAYERS), .KW(KW), .SHIFTS(SIGNAL_SHIFTS))
        signal_round (.value(signal_sum), .layer(layer), .more(5'd0), .rounded(modulator_full));

    // limits of the layer
    reg signed [15:0] m_max, d_max;
    integer n;
    always @* begin
        m_max = 16'sd0;
        d_max = 16'sd0;
        for (n = 0; n < LAYERS; n = n + 1)
            if (layer == n[KW-1:0]) begin
                m_max = M_MAX[16*n +: 16];
                d_max = D_MAX[16*n +: 16];
            end
    end
    wire signed [MW-1:0] m_most = {1'b0, {(MW-1){1'b1}}};
    wire signed [15:0] m_most_wide;
    el_extend #(.W(MW), .OW(16)) extend_m_most_wide (.value(m_most), .out(m_most_wide));
    wire signed [MW-1:0] m_hi = m_max > m_most_wide ? m_most : m_max[MW-1:0];
    wire signed [MW-1:0] m_lo = -m_hi;
    localparam RM = (RW > MW ? RW : MW) + 1;
    wire signed [RM-1:0] modulator_long;
    el_extend #(.W(RW), .OW(RM)) extend_modulator_long (.value(modulator_full), .out(modulator_long));
    el_sat #(.W(RM), .OW(MW)) modulator_sat
        (.value(modulator_long), .lo(m_lo), .hi(m_hi), .limited(modulator_now), .cut(modulator_cut));

    always @(posedge clk)
        if (take_modulator) kept_modulator <= modulator_now;

    // ---- d; its reach proves that DW bits hold it (as MW bits hold m), so limits beyond them are those of DW bits
    wire signed [PW:0] gated;
    el_round #(.W(PW), .LAYERS(1), .KW(1), .SHIFTS(8'd7))
        gate_round (.value(product), .layer(1'b0), .more(5'd0), .rounded(gated));
    localparam GW = (PW + 1 > DW ? PW + 1 : DW) + 1;
    wire signed [GW-1:0] gated_long;
    el_extend #(.W(PW+1), .OW(GW)) extend_gated_long (.value(gated), .out(gated_long));
    wire signed [DW-1:0] most = {1'b0, {(DW-1){1'b1}}};
    wire signed [15:0] most_wide;
    el_extend #(.W(DW), .OW(16)) extend_most_wide (.value(most), .out(most_wide));
    wire signed [DW-1:0] d_hi = d_max > most_wide ? most : d_max[DW-1:0];
    wire signed [DW-1:0] d_lo = -d_hi;
    wire signed [DW-1:0] delta_now;
    wire delta_cut;
    el_sat #(.W(GW), .OW(DW)) delta_sat
        (.value(gated_long), .lo(d_lo), .hi(d_hi), .limited(delta_now), .cut(delta_cut));

    always @(posedge clk)
        if (clear_delta) delta <= {DW{1'b0}};
        else if (load_delta) delta <= loaded_delta;
        else if (gate_valid) delta <= delta_now;

    // ---- the step's product, negated
    reg signed [PW-1:0] step_product;
    wire signed [PW:0] step_wide;
    el_extend #(.W(PW), .OW(PW+1)) extend_step_wide (.value(step_product), .out(step_wide));
    assign minus = -step_wide;

    always @(posedge clk)
        if (update_valid) step_product <= product;

    wire unused = &{1'b0, index_cut, modulator_cut, delta_cut, m_max, d_max, overflow, total};
endmodule
