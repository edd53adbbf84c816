// A learning engine of one lane: control, lists, datapath, update, random bits and output layer, tied together.
// Memories lie outside; all have one port and give a word one cycle after `en`.
module el_engine (clk, rst, in_valid, in_level, start, learn, label, halvings, busy, predicted, generator,
        a_en, a_we, a_addr0, a_addr1, a_wdata, a_rdata0, a_rdata1,
        w_en, w_we, r_en, w_addr, v_wdata, v_rdata, r_wdata, r_rdata,
        f_en, f_addr, f_rdata, g_en, g_we, g_addr, g_wdata, g_rdata, d_en, d_we, d_addr, d_wdata, d_rdata,
        saturated, step_cut, overflowed, learned);
`include "el_config.vh"
    input                clk, rst;
    input                in_valid;   // a level of the next sample, in order, while the engine is idle
    input      [LW-1:0]  in_level;
    input                start;      // the sample is complete
    input                learn;
    input      [CW-1:0]  label;
    input      [4:0]     halvings;
    output               busy;
    output     [CW-1:0]  predicted;  // valid when busy falls
    output     [31:0]    generator;
    output     [1:0]     a_en, a_we; // events {input, level}: of inputs of odd layers in the first memory
    output     [EAW-1:0] a_addr0, a_addr1;
    output     [NW+XW-1:0] a_wdata;
    input      [NW+XW-1:0] a_rdata0, a_rdata1;
    output               w_en, w_we, r_en;  // views and residuals
    output     [WAW-1:0] w_addr;
    output     [VB-1:0]  v_wdata;
    input      [VB-1:0]  v_rdata;
    output     [RB1-1:0] r_wdata;
    input      [RB1-1:0] r_rdata;
    output               f_en;       // feedback, neuron by neuron
    output     [FAW-1:0] f_addr;
    input      [7:0]     f_rdata;
    output               g_en, g_we; // open gates {feedback row, row, neuron, g}
    output     [GAW-1:0] g_addr;
    output     [FAW+WAW+NW+6:0] g_wdata;
    input      [FAW+WAW+NW+6:0] g_rdata;
    output               d_en, d_we; // errors and deltas {row, neuron, d}
    output     [DAW-1:0] d_addr;
    output     [WAW+NW+DW-1:0] d_wdata;
    input      [WAW+NW+DW-1:0] d_rdata;
    output               saturated, step_cut, overflowed, learned;

    localparam TARGET = 1, SIGN = 3, SIGNED_TARGET = 5, LOCAL_ERROR = 6, TRANSPOSED = 2;
    localparam SB = VB + RB;

    // ---- control
    wire begins, finishes, learning, gate_open, delta_is_zero, closed, softmax_valid, softmax_done, softmax_start;
    wire is_output, new_layer, event_read, gate_read, delta_read, delta_write, issue, issue_first, issue_last;
    wire reading, begins_readout, issue_bias, issue_signal, fused_now, leaves_fused, at_gate_known, in_signal, take_modulator;
    wire gate_valid, fetch;
    wire update_read, update_write, update_bias, restart_random, commit_random;
    wire [CW-1:0] target;
    wire [NW-1:0] n_events, n_gates, n_deltas, neuron, result_neuron, event_place, gate_place, delta_place, lane;
    wire [KW-1:0] layer, delta_layer;
    wire [WAW-1:0] row, result_row;
    wire [FAW-1:0] feedback_row, result_feedback_row;
    wire take_gate = issue_signal && !fused_now;
    wire [NW-1:0] entry_neuron = d_rdata[DW +: NW];
    wire [WAW-1:0] entry_row = d_rdata[DW+NW +: WAW];
    reg s4_valid;

    el_control #(.LAYERS(LAYERS), .KW(KW), .NW(NW), .CW(CW), .WAW(WAW), .FAW(FAW), .SIGNAL(SIGNAL), .FUSED(FUSED),
                 .SOFTMAX_OUTPUT(SOFTMAX), .N_OUTPUTS(N_OUTPUTS), .N_OUTS(N_OUTS), .W_BASES(W_BASES),
                 .W_STRIDES(W_STRIDES), .F_BASES(F_BASES), .F_STRIDES(F_STRIDES), .FORMS(FORMS), .LEARNS(LEARNS),
                 .WEIGHTS_LEARN(WEIGHTS_LEARN))
        control (.clk(clk), .rst(rst), .start(start), .learn(learn), .label(label), .busy(busy), .begins(begins),
            .finishes(finishes), .learning(learning), .target(target), .n_events(n_events), .n_gates(n_gates),
            .n_deltas(n_deltas), .gate_open(gate_open), .delta_is_zero(delta_is_zero), .closed(closed),
            .softmax_valid(softmax_valid), .softmax_done(softmax_done), .softmax_start(softmax_start), .layer(layer),
            .is_output(is_output), .reading(reading), .begins_readout(begins_readout), .neuron(neuron), .row(row), .feedback_row(feedback_row),
            .take_place(take_gate || fetch), .taken_neuron(fetch ? entry_neuron : g_rdata[7 +: NW]),
            .taken_row(fetch ? entry_row : g_rdata[7+NW +: WAW]), .taken_feedback_row(g_rdata[7+NW+WAW +: FAW]),
            .result_neuron(result_neuron), .result_row(result_row), .result_feedback_row(result_feedback_row),
            .new_layer(new_layer), .event_read(event_read), .event_place(event_place), .gate_read(gate_read),
            .gate_place(gate_place), .delta_read(delta_read), .delta_place(delta_place), .delta_layer(delta_layer),
            .delta_write(delta_write), .issue(issue), .issue_first(issue_first), .issue_last(issue_last),
            .issue_bias(issue_bias), .issue_signal(issue_signal), .lane(lane), .result(s4_valid),
            .fused_now(fused_now), .leaves_fused(leaves_fused), .at_gate_known(at_gate_known), .in_signal(in_signal),
            .take_modulator(take_modulator), .gate_valid(gate_valid), .fetch(fetch), .update_read(update_read),
            .update_write(update_write), .update_bias(update_bias), .restart_random(restart_random),
            .commit_random(commit_random));

    // ---- constants of the layer
    reg signed [XW-1:0] one;
    reg [NW-1:0] n_in;
    reg holds_gates, non_negative;
    integer n;
    always @* begin
        one = {XW{1'b0}};
        n_in = {NW{1'b0}};
        holds_gates = 1'b0;
        non_negative = 1'b0;
        for (n = 0; n < LAYERS; n = n + 1)
            if (layer == n[KW-1:0]) begin
                one = ONES[XW*n +: XW];
                n_in = N_INS[NW*n +: NW];
                holds_gates = HOLDS_GATES[n];
                non_negative = NON_NEGATIVE[n];
            end
    end

    // ---- levels of a sample; zeros are no events
    reg [NW-1:0] in_place;
    wire signed [XW-1:0] in_wide;
    generate
        if (SIGNED_INPUTS != 0) begin : signed_levels
            wire signed [LW-1:0] in_signed = in_level;
            el_extend #(.W(LW), .OW(XW)) extend_in_wide (.value(in_signed), .out(in_wide));
        end else begin : levels
            assign in_wide = {{(XW-LW){1'b0}}, in_level};
        end
    endgenerate
    wire in_event = in_valid && !busy && in_level != {LW{1'b0}};
    always @(posedge clk)
        if (rst || finishes) in_place <= {NW{1'b0}};
        else if (in_valid && !busy) in_place <= in_place + {{(NW-1){1'b0}}, 1'b1};

    // ---- results: an activation, a gate, an error
    wire signed [7:0] q;
    wire signed [7:0] y;
    wire [6:0] gate_now;
    wire signed [EW-1:0] error;
    wire to_output = is_output || reading;  // a sum goes through the tables of the output
    wire error_valid = learning && (SOFTMAX != 0 ? softmax_valid : s4_valid && to_output);
    wire error_write = error_valid && error != {EW{1'b0}};
    wire activation_write = s4_valid && !to_output && y != 8'sd0;
    wire gate_write = s4_valid && !to_output && holds_gates && learning && gate_open;
    assign gate_open = gate_now != 7'd0;
    wire signed [XW-1:0] y_wide;
    el_extend #(.W(8), .OW(XW)) extend_y_wide (.value(y), .out(y_wide));

    // ---- events, two memories in turn so that a layer reads one and writes the other
    wire [EAW-1:0] event_read_addr, event_append_addr;
    wire [KW-1:0] next_layer = layer + {{(KW-1){1'b0}}, 1'b1};
    wire event_append = in_event || activation_write;
    wire [KW-1:0] event_layer = busy ? next_layer : {KW{1'b0}};
    wire clears_events = finishes || (new_layer && !is_output);
    el_list #(.LAYERS(LAYERS), .KW(KW), .NW(NW), .AW(EAW), .BASES(E_BASES))
        events (.clk(clk), .rst(rst), .clear(clears_events), .clear_layer(finishes ? {KW{1'b0}} : next_layer),
            .append(event_append), .append_layer(event_layer), .append_addr(event_append_addr),
            .read_layer(reading ? next_layer : layer),
            .read_place(event_place), .read_addr(event_read_addr), .length(n_events));
    assign a_wdata = busy ? {result_neuron, y_wide} : {in_place, in_wide};
    wire read_odd = layer[0] ^ reading;  // a readout reads what the layer gave
    wire [1:0] bank = {read_odd, !read_odd};
    wire [1:0] append_bank = {event_layer[0], !event_layer[0]};
    assign a_we = append_bank & {2{event_append}};
    assign a_en = a_we | (bank & {2{event_read}});
    assign a_addr0 = a_we[0] ? event_append_addr : event_read_addr;
    assign a_addr1 = a_we[1] ? event_append_addr : event_read_addr;
    wire [NW+XW-1:0] event_word = read_odd ? a_rdata1 : a_rdata0;
    wire [NW-1:0] event_input = event_word[XW +: NW];
    wire signed [XW-1:0] event_level = event_word[XW-1:0];

    // ---- gates that wait
    wire [GAW-1:0] gate_read_addr, gate_append_addr;
    el_list #(.LAYERS(LAYERS), .KW(KW), .NW(NW), .AW(GAW), .BASES(G_BASES))
        gates (.clk(clk), .rst(rst), .clear(new_layer), .clear_layer(layer), .append(gate_write), .append_layer(layer),
            .append_addr(gate_append_addr), .read_layer(layer), .read_place(gate_place), .read_addr(gate_read_addr),
            .length(n_gates));
    assign g_en = gate_write || gate_read;
    assign g_we = gate_write;
    assign g_addr = gate_write ? gate_append_addr : gate_read_addr;
    assign g_wdata = {result_feedback_row, result_row, result_neuron, gate_now};
    reg [6:0] gate;
    always @(posedge clk)
        if (at_gate_known) gate <= gate_now;
        else if (take_gate) gate <= g_rdata[6:0];

    // ---- errors and deltas
    wire [DAW-1:0] delta_read_addr, delta_append_addr;
    wire signed [DW-1:0] delta;
    wire signed [DW-1:0] error_wide;
    el_extend #(.W(EW), .OW(DW)) extend_error_wide (.value(error), .out(error_wide));
    assign delta_is_zero = delta == {DW{1'b0}};
    el_list #(.LAYERS(LAYERS), .KW(KW), .NW(NW), .AW(DAW), .BASES(D_BASES))
        deltas (.clk(clk), .rst(rst), .clear(new_layer), .clear_layer(layer), .append(d_we), .append_layer(layer),
            .append_addr(delta_append_addr), .read_layer(delta_layer), .read_place(delta_place),
            .read_addr(delta_read_addr), .length(n_deltas));
    assign d_we = error_write || delta_write;
    assign d_en = d_we || delta_read;
    assign d_addr = d_we ? delta_append_addr : delta_read_addr;
    wire [WAW+FAW-1:0] lane_row = {{WAW{1'b0}}, result_feedback_row};
    assign d_wdata = delta_write ? {row, neuron, delta} :
                     {reading ? lane_row[WAW-1:0] : result_row, result_neuron, error_wide};
    wire signed [DW-1:0] entry_value = d_rdata[DW-1:0];

    // ---- the pipeline of sums: issue, list (s1), word (s2), sum (s3), table (s4)
    reg s1_valid, s1_first, s1_last, s1_bias, s1_signal;
    reg s1_local;
    reg s2_valid, s2_first, s2_last, s2_signal, s2_local, s2_empty;
    reg s3_valid;
    reg [NW-1:0] s1_lane;
    reg signed [MA-1:0] s2_factor;
    wire signed [XW-1:0] level = s1_bias ? (s1_local ? {XW{1'b0}} : one) : event_level;
    wire signed [MA-1:0] level_wide;
    el_extend #(.W(XW), .OW(MA)) extend_level_wide (.value(level), .out(level_wide));
    wire signed [MA-1:0] entry_wide;
    el_extend #(.W(DW), .OW(MA)) extend_entry_wide (.value(entry_value), .out(entry_wide));
    wire entry_negative = entry_value[DW-1];
    wire lane_negative = N_OUTPUTS == 1 ? target[0] : s1_lane == {{(NW-CW){1'b0}}, target};
    localparam signed [MA-1:0] PLUS = 1;
    wire negative = SIGNAL == SIGN ? entry_negative : SIGNAL == SIGNED_TARGET && lane_negative;
    wire signed [MA-1:0] sign_wide = negative ? -PLUS : PLUS;
    localparam OF_SIGNS = SIGNAL == SIGN || SIGNAL == SIGNED_TARGET || SIGNAL == TARGET;
    wire signed [MA-1:0] signal_wide = OF_SIGNS ? sign_wide : entry_wide;

    always @(posedge clk) begin
        s1_valid <= issue && !rst;
        s1_first <= issue_first;
        s1_last <= issue_last;
        s1_bias <= issue_bias;
        s1_signal <= issue_signal;
        s1_lane <= lane;
        s1_local <= issue && reading;
        s2_local <= s1_local;
        s2_empty <= s1_local && s1_bias;  // a readout has no bias: a product of zero
        s2_valid <= s1_valid && !rst;
        s2_first <= s1_first;
        s2_last <= s1_last;
        s2_signal <= s1_signal;
        s2_factor <= s1_signal ? signal_wide : level_wide;
        s3_valid <= s2_valid && s2_last && !s2_signal && !rst;
        s4_valid <= s3_valid && !rst;
    end

    // ---- words
    wire reads_transposed = FEEDBACK == TRANSPOSED && s1_valid && s1_signal;
    wire reads_feedback = s1_valid && ((s1_signal && FEEDBACK != TRANSPOSED) || (s1_local && !s1_bias));
    wire selects_feedback = at_gate_known && SIGNAL == TARGET && gate_open;
    wire reads_word = s1_valid && !s1_local && (!s1_signal || FEEDBACK == TRANSPOSED);
    wire [NW-1:0] forward_input = s1_bias ? n_in : event_input;
    wire [NW-1:0] update_input = update_bias ? n_in : event_input;
    wire [NW-1:0] column = reads_word ? (s1_signal ? neuron : forward_input) : update_input;
    wire [WAW-1:0] word_row = reads_transposed ? entry_row : row;
    wire [WAW+NW-1:0] column_wide = {{WAW{1'b0}}, column};
    assign w_addr = word_row + column_wide[WAW-1:0];
    assign w_en = reads_word || update_read || update_write;
    assign r_en = update_read || update_write;
    assign w_we = update_write;

    // of a local error, words lie lane by lane: the row is that of the lane, the column a neuron
    wire [NW-1:0] feedback_lane = SIGNAL == LOCAL_ERROR ? (s1_local ? event_input : neuron) :
                                  SIGNAL == TARGET || SIGNAL == SIGNED_TARGET ? s1_lane : entry_neuron;
    wire [FAW+WAW-1:0] entry_long = {{FAW{1'b0}}, entry_row};
    wire [FAW-1:0] lanes_row = SIGNAL == LOCAL_ERROR && !s1_local ? entry_long[FAW-1:0] : feedback_row;
    wire [FAW+NW-1:0] lane_wide = {{FAW{1'b0}}, selects_feedback ? lane : feedback_lane};
    assign f_en = LFSR == 0 && (reads_feedback || selects_feedback);
    assign f_addr = lanes_row + lane_wide[FAW-1:0];

    wire signed [VB-1:0] view = v_rdata;
    wire signed [7:0] feedback;
    generate
        if (LFSR != 0) begin : regenerated
            wire unused = &{1'b0, f_rdata};
            el_lfsr #(.AW(KW+CW), .DEPTH(LFSR_DEPTH), .FILE("lfsr.hex"))
                shift_register (.clk(clk), .begins(new_layer), .place({layer, lane[CW-1:0]}), .advance(leaves_fused),
                    .word(feedback));
        end else begin : stored_feedback
            wire unused = leaves_fused;
            assign feedback = f_rdata;
        end
    endgenerate
    wire signed [MB-1:0] view_wide;
    el_extend #(.W(VB), .OW(MB)) extend_view_wide (.value(view), .out(view_wide));
    wire signed [MB-1:0] feedback_wide;
    el_extend #(.W(8), .OW(MB)) extend_feedback_wide (.value(feedback), .out(feedback_wide));
    wire takes_feedback = FEEDBACK != TRANSPOSED && (s2_signal || s2_local || gate_valid);
    wire signed [MB-1:0] taken_word = takes_feedback ? feedback_wide : view_wide;
    wire signed [XW-1:0] update_level = update_bias ? one : event_level;

    // ---- datapath
    wire signed [ACC-1:0] acc;
    wire signed [MA+MB:0] minus;
    wire overflow;
    el_datapath #(.LAYERS(LAYERS), .KW(KW), .MA(MA), .MB(MB), .XW(XW), .MW(MW), .DW(DW), .ACC(ACC), .LEFT(SUM_LEFT),
                  .SUM_SHIFTS(SUM_SHIFTS), .SIGNAL_SHIFTS(SIGNAL_SHIFTS),
                  .READOUTS(SIGNAL == LOCAL_ERROR), .READOUT_SHIFTS(READOUT_SHIFTS), .M_MAX(M_MAX), .D_MAX(D_MAX))
        datapath (.clk(clk), .layer(layer), .sum_valid(s2_valid), .sum_first(s2_first), .sum_factor(s2_factor),
            .sum_word(s2_empty ? {MB{1'b0}} : taken_word), .reading(reading), .acc(acc), .q(q), .overflow(overflow),
            .take_modulator(take_modulator), .gate_valid(gate_valid), .gate_selects(SIGNAL == TARGET && FUSED != 0),
            .gate(gate), .clear_delta(at_gate_known), .load_delta(fetch), .loaded_delta(entry_value), .delta(delta),
            .update_valid(update_read), .update_level(update_level), .minus(minus));

    // ---- update
    wire [7:0] rand8;
    wire signed [SB-1:0] stored, next;
    wire cut, full;
    generate
        if (RB != 0) begin : residual
            assign stored = {v_rdata, r_rdata};
            assign v_wdata = next[SB-1:RB1];
            assign r_wdata = next[RB1-1:0];
        end else begin : view_alone
            wire unused = &{1'b0, r_rdata};
            assign stored = v_rdata;
            assign v_wdata = next;
            assign r_wdata = {RB1{1'b0}};
        end
        if (STOCHASTIC != 0) begin : random
            wire [7:0] key;
            el_rom #(.AW(NW), .W(8), .DEPTH(KEYS), .FILE("key.hex"))
                keys (.clk(clk), .en(update_read), .addr(neuron), .rdata(key));
            el_random #(.SEED(SEED)) bits (.clk(clk), .rst(rst), .restart(restart_random), .draw(update_read),
                .commit(commit_random), .lane(neuron[1:0]), .key(key), .rand8(rand8), .generator(generator));
        end else begin : exact
            wire unused = &{1'b0, restart_random, commit_random};
            assign rand8 = 8'd0;
            assign generator = SEED;
        end
    endgenerate
    el_update #(.PW(MA+MB+1), .LEFT(STEP_LEFT), .SB(SB), .LAYERS(LAYERS), .KW(KW), .SHIFTS(STEP_SHIFTS),
                .STOCHASTIC(STOCHASTIC), .DYNAMIC(HALVES))
        update (.minus(minus), .layer(layer), .halvings(halvings), .word(stored),
            .non_negative(non_negative && !update_bias), .rand8(rand8), .next(next), .saturated(full),
            .step_cut(cut));
    assign saturated = update_write && full;
    assign step_cut = update_write && cut;

    // ---- tables
    wire [14:0] activation;
    el_rom #(.AW(8), .W(15), .DEPTH(256), .FILE("activation.hex"))
        activations (.clk(clk), .en(s3_valid && !to_output), .addr(q), .rdata(activation));
    assign gate_now = activation[6:0];
    generate
        if (SIGN_INFERENCE != 0) begin : signs
            reg q_negative;
            always @(posedge clk) if (s3_valid) q_negative <= q[7];
            localparam signed [7:0] HIGH = 8'sd127;
            assign y = learning ? activation[14:7] : q_negative ? -HIGH : HIGH;
        end else begin : values
            assign y = activation[14:7];
        end
    endgenerate

    wire [7:0] probability;
    generate
        if (SOFTMAX != 0) begin : softmax
            el_softmax #(.N_OUT(N_OUTPUTS), .NW(NW), .SW(SHARE_BITS), .FILE("exponential.hex"))
                shares (.clk(clk), .rst(rst), .clear(begins || begins_readout), .q_valid(s3_valid && to_output),
                    .q_output(result_neuron),
                    .q(q), .start(softmax_start), .valid(softmax_valid), .probability(probability),
                    .done(softmax_done));
        end else begin : sigmoid
            wire unused = &{1'b0, softmax_start};
            assign softmax_valid = 1'b0;
            assign softmax_done = 1'b0;
            el_rom #(.AW(8), .W(8), .DEPTH(256), .FILE("output.hex"))
                outputs (.clk(clk), .en(s3_valid && to_output), .addr(q), .rdata(probability));
        end
    endgenerate

    el_output #(.N_OUT(N_OUTPUTS), .NW(NW), .CW(CW), .ACC(ACC), .EW(EW), .DEAD_ZONE(DEAD_ZONE),
                .LOCAL_DEAD_ZONE(LOCAL_DEAD_ZONE),                 .UPDATE_GATE(UPDATE_GATE), .MARGIN(MARGIN))
        output_layer (.clk(clk), .clear(begins), .label(target), .sum_valid(s3_valid && is_output),
            .sum_output(result_neuron), .sum(acc), .q(q), .predicted(predicted), .closed(closed),
            .error_output(result_neuron), .probability(probability), .reading(reading),
            .error(error));

    // ---- what is counted
    reg sum_ends, selects;
    always @(posedge clk) begin
        sum_ends <= s2_valid && s2_last && !rst;
        selects <= s2_signal && SIGNAL == TARGET;  // a word of feedback alone is no sum
    end
    assign overflowed = sum_ends && !selects && overflow;
    assign learned = finishes && learning && !closed;
    wire unused_bits = &{1'b0, in_signal, begins_readout, column_wide, lane_wide, lane_row, entry_long};
endmodule
