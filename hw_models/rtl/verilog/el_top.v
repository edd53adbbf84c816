// The engine with its memories. While it is idle, stored words are read and written through the host port:
// word i of layer k, neuron j at W_BASE_k + j (n_in + 1) + i, its bias at i = n_in.
module el_top (clk, rst, in_valid, in_level, start, learn, label, halvings, busy, learned, predicted, generator,
        host_en, host_we, host_addr, host_wdata, host_rdata
`ifdef EL_COUNT
        , count_clear, count_role, count
`endif
        );
`include "el_config.vh"
    input                clk, rst;   // rst for one cycle or more; words stay as they are
    input                in_valid;   // levels of a sample, one a cycle, in order
    input      [LW-1:0]  in_level;
    input                start;      // predict the sample, and learn it if `learn`
    input                learn;
    input      [CW-1:0]  label;
    input      [4:0]     halvings;   // of the rate, 0 where the network has none
    output               busy;
    output               learned;    // in the last cycle of a sample that was learned, not gated
    output     [CW-1:0]  predicted;  // valid from the fall of busy on
    output     [31:0]    generator;
    input                host_en, host_we;
    input      [WAW-1:0] host_addr;
    input      [VB+RB-1:0] host_wdata;
    output     [VB+RB-1:0] host_rdata;  // a cycle after host_en

    wire [1:0] a_en, a_we;
    wire w_en, w_we, r_en, f_en, g_en, g_we, d_en, d_we, saturated, step_cut, overflowed;
    wire [EAW-1:0] a_addr0, a_addr1;
    wire [NW+XW-1:0] a_wdata, a_rdata0, a_rdata1;
    wire [WAW-1:0] w_addr;
    wire [VB-1:0] v_wdata, v_rdata;
    wire [RB1-1:0] r_wdata, r_rdata;
    wire [FAW-1:0] f_addr;
    wire [7:0] f_rdata;
    wire [GAW-1:0] g_addr;
    wire [FAW+WAW+NW+6:0] g_wdata, g_rdata;
    wire [DAW-1:0] d_addr;
    wire [WAW+NW+DW-1:0] d_wdata, d_rdata;

    el_engine engine (.clk(clk), .rst(rst), .in_valid(in_valid), .in_level(in_level), .start(start), .learn(learn),
        .label(label), .halvings(halvings), .busy(busy), .predicted(predicted), .generator(generator),
        .a_en(a_en), .a_we(a_we), .a_addr0(a_addr0), .a_addr1(a_addr1), .a_wdata(a_wdata), .a_rdata0(a_rdata0),
        .a_rdata1(a_rdata1), .w_en(w_en), .w_we(w_we), .r_en(r_en), .w_addr(w_addr), .v_wdata(v_wdata),
        .v_rdata(v_rdata), .r_wdata(r_wdata), .r_rdata(r_rdata), .f_en(f_en), .f_addr(f_addr), .f_rdata(f_rdata),
        .g_en(g_en), .g_we(g_we), .g_addr(g_addr), .g_wdata(g_wdata), .g_rdata(g_rdata), .d_en(d_en), .d_we(d_we),
        .d_addr(d_addr), .d_wdata(d_wdata), .d_rdata(d_rdata), .saturated(saturated), .step_cut(step_cut),
        .overflowed(overflowed), .learned(learned));

    // ---- events
    el_ram #(.AW(EAW), .W(NW+XW), .DEPTH(E_DEPTH0))
        events0 (.clk(clk), .en(a_en[0]), .we(a_we[0]), .addr(a_addr0), .wdata(a_wdata), .rdata(a_rdata0));
    el_ram #(.AW(EAW), .W(NW+XW), .DEPTH(E_DEPTH1))
        events1 (.clk(clk), .en(a_en[1]), .we(a_we[1]), .addr(a_addr1), .wdata(a_wdata), .rdata(a_rdata1));

    // ---- words: views, and the residual bits that the forward pass never reads
    wire from_host = host_en && !busy;
    wire [WAW-1:0] word_addr = from_host ? host_addr : w_addr;
    wire word_we = from_host ? host_we : w_we;
    el_ram #(.AW(WAW), .W(VB), .DEPTH(WORDS), .INIT(1), .FILE("view.hex"))
        views (.clk(clk), .en(w_en || from_host), .we(word_we), .addr(word_addr),
            .wdata(from_host ? host_wdata[VB+RB-1:RB] : v_wdata), .rdata(v_rdata));
    generate
        if (RB != 0) begin : residual
            el_ram #(.AW(WAW), .W(RB1), .DEPTH(WORDS), .INIT(1), .FILE("residual.hex"))
                residuals (.clk(clk), .en(r_en || from_host), .we(word_we), .addr(word_addr),
                    .wdata(from_host ? host_wdata[RB1-1:0] : r_wdata), .rdata(r_rdata));
            assign host_rdata = {v_rdata, r_rdata};
        end else begin : view_alone
            wire unused = &{1'b0, r_wdata};
            assign r_rdata = {RB1{1'b0}};
            assign host_rdata = v_rdata;
        end

        // ---- fixed feedback, open gates, errors and deltas
        if (FEEDBACK_WORDS != 0) begin : feedback
            el_ram #(.AW(FAW), .W(8), .DEPTH(FEEDBACK_WORDS), .INIT(1), .FILE("feedback.hex"))
                matrix (.clk(clk), .en(f_en), .we(1'b0), .addr(f_addr), .wdata(8'd0), .rdata(f_rdata));
        end else begin : no_feedback
            wire unused = &{1'b0, f_addr};
            assign f_rdata = 8'd0;
        end
        if (HOLDS_GATES != 0) begin : waiting
            el_ram #(.AW(GAW), .W(FAW+WAW+NW+7), .DEPTH(G_DEPTH))
                gates (.clk(clk), .en(g_en), .we(g_we), .addr(g_addr), .wdata(g_wdata), .rdata(g_rdata));
        end else begin : no_gates
            wire unused = &{1'b0, g_addr, g_wdata};
            assign g_rdata = {(FAW+WAW+NW+7){1'b0}};
        end
    endgenerate
    el_ram #(.AW(DAW), .W(WAW+NW+DW), .DEPTH(D_DEPTH))
        deltas (.clk(clk), .en(d_en), .we(d_we), .addr(d_addr), .wdata(d_wdata), .rdata(d_rdata));

`ifdef EL_COUNT
    // ---- what a sample costs: cycles, words by memory and direction, cuts
    input             count_clear;
    input      [3:0]  count_role;
    output     [47:0] count;
    wire [15:0] events_of_cycle = {1'b0, f_en, step_cut, saturated, overflowed, d_en && d_we, d_en && !d_we,
        g_en && g_we, g_en && !g_we, r_en && w_we, w_en && w_we, w_en && !w_we,
        a_we != 2'd0, (a_en & ~a_we) != 2'd0, learned, busy};
    reg [47:0] counts [0:15];
    integer i;
    always @(posedge clk)
        for (i = 0; i < 16; i = i + 1)
            if (rst || count_clear) counts[i] <= 48'd0;
            else if (events_of_cycle[i]) counts[i] <= counts[i] + 48'd1;
    assign count = counts[count_role];
`else
    wire unused_events = &{1'b0, saturated, step_cut, overflowed, g_en, g_we, f_en, r_en};
`endif
endmodule
