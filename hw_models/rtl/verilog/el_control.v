// The sequence of a sample: forward, signals and gates, updates (contract, sections 3 to 5 and 9).
//
//   BEGIN RUN.. GAP RUN.. GAP .. DRAIN1 DRAIN2 DRAIN3            a layer forward: inputs that are not zero, then the bias
//   .. GAP DRAIN1 DRAIN2 DRAIN3 [GATE] CHECK [READ WRITE ..]     a neuron of a fused layer, which is updated at once
//   DECIDE [SOFTMAX]                                             after the last layer, of a sample that is learned
//   READOUT RUN.. GAP .. DRAIN1 DRAIN2 DRAIN3 [SOFTMAX]          the readout of a layer, under local errors
//   SCAN SIGNAL.. SIGNAL1 SIGNAL2 ROUND GATE CHECK [READ WRITE ..]   an open gate of a layer that waits for its signal
//   WALK FETCH READ WRITE ..                                     an entry of a list of errors or deltas
//
// A sum takes three cycles: list, word, product. Four cycles after its last issue the result leaves its table.
module el_control #(
    parameter LAYERS = 2,
    parameter KW = 1,
    parameter NW = 8,
    parameter CW = 4,
    parameter WAW = 12,
    parameter FAW = 9,
    parameter SIGNAL = 0,        // 0 none, 1 target, 2 error, 3 its sign, 4 delta, 5 signed target, 6 local error
    parameter FUSED = 0,         // hidden layers are updated neuron by neuron in the forward pass
    parameter SOFTMAX_OUTPUT = 0,
    parameter N_OUTPUTS = 10,
    parameter [NW*LAYERS-1:0] N_OUTS = 0,
    parameter [WAW*LAYERS-1:0] W_BASES = 0,
    parameter [WAW*LAYERS-1:0] W_STRIDES = 0,
    parameter [FAW*LAYERS-1:0] F_BASES = 0,
    parameter [FAW*LAYERS-1:0] F_STRIDES = 0,
    parameter [LAYERS-1:0] FORMS = 0,          // hidden layers that form d
    parameter [LAYERS-1:0] LEARNS = 0,         // layers with words that learn
    parameter [LAYERS-1:0] WEIGHTS_LEARN = 0   // layers whose weights learn, not only their biases
) (
    input                clk,
    input                rst,
    input                start,
    input                learn,
    input      [CW-1:0]  label,
    output               busy,
    output               begins,         // a sample begins
    output               finishes,       // and ends
    output reg           learning,
    output reg [CW-1:0]  target,
    // what the datapath found
    input      [NW-1:0]  n_events,       // of the layer at hand
    input      [NW-1:0]  n_gates,
    input      [NW-1:0]  n_deltas,       // of the list of deltas that is read
    input                gate_open,
    input                delta_is_zero,
    input                closed,         // the sample is gated
    input                softmax_valid,
    input                softmax_done,
    output               softmax_start,
    // place
    output reg [KW-1:0]  layer,
    output               is_output,
    output               reading,        // the readout of a hidden layer is summed
    output               begins_readout,
    output reg [NW-1:0]  neuron,
    output reg [WAW-1:0] row,            // address of its first weight
    output reg [FAW-1:0] feedback_row,
    input                take_place,     // neuron, row and feedback row come from a list
    input      [NW-1:0]  taken_neuron,
    input      [WAW-1:0] taken_row,
    input      [FAW-1:0] taken_feedback_row,
    output reg [NW-1:0]  result_neuron,  // of the result that leaves the pipeline
    output reg [WAW-1:0] result_row,
    output reg [FAW-1:0] result_feedback_row,
    // lists
    output               new_layer,      // BEGIN: lists that the layer writes are emptied
    output               event_read,
    output     [NW-1:0]  event_place,
    output               gate_read,
    output     [NW-1:0]  gate_place,
    output               delta_read,
    output     [NW-1:0]  delta_place,
    output     [KW-1:0]  delta_layer,
    output               delta_write,
    // the pipeline of sums: what is issued, and the result four cycles later
    output               issue,
    output               issue_first,
    output               issue_last,
    output               issue_bias,
    output               issue_signal,
    output     [NW-1:0]  lane,           // of a signal that is not a list
    input                result,
    // gates and updates
    output               fused_now,
    output               leaves_fused,   // the neuron is done
    output               at_gate_known,  // DRAIN3 of a fused neuron
    output               in_signal,
    output               take_modulator,
    output               gate_valid,
    output               fetch,          // an entry of a list of deltas arrives
    output               update_read,
    output               update_write,
    output               update_bias,
    output               restart_random,
    output               commit_random
);
    localparam [4:0] IDLE = 5'd0, BEGIN = 5'd1, RUN = 5'd2, GAP = 5'd3, DRAIN1 = 5'd4, DRAIN2 = 5'd5, DRAIN3 = 5'd6,
        DECIDE = 5'd7, SOFTMAX = 5'd8, SCAN = 5'd9, SIGNAL_RUN = 5'd10, SIGNAL1 = 5'd11, SIGNAL2 = 5'd12,
        ROUND = 5'd13, GATE = 5'd14, CHECK = 5'd15, WALK = 5'd16, FETCH = 5'd17, READ = 5'd18, WRITE = 5'd19,
        READOUT = 5'd20;
    localparam [1:0] FORWARD = 2'd0, SCANNING = 2'd1, WALKING = 2'd2, READING = 2'd3;
    localparam TARGET = 1, DELTA = 4, SIGNED_TARGET = 5, LOCAL_ERROR = 6;
    localparam LAST_INT = LAYERS - 1;
    localparam [KW-1:0] LAST = LAST_INT[KW-1:0];
    localparam [KW-1:0] FIRST_SCAN = SIGNAL == DELTA && LAYERS > 1 ? LAST - {{(KW-1){1'b0}}, 1'b1} : {KW{1'b0}};
    localparam [KW-1:0] END_SCAN = SIGNAL == DELTA || LAYERS == 1 ? {KW{1'b0}} : LAST - {{(KW-1){1'b0}}, 1'b1};
    localparam SCANS = SIGNAL != 0 && FUSED == 0 && LAYERS > 1;
    localparam [NW-1:0] ONE = {{(NW-1){1'b0}}, 1'b1};
    localparam [KW-1:0] K_ONE = {{(KW-1){1'b0}}, 1'b1};

    reg [4:0] state;
    reg [1:0] mode;
    reg [NW-1:0] place;      // in the list of events
    reg [NW-1:0] signal;     // lane of a sum of signals
    reg [NW-1:0] entry;      // in the list of gates, or of deltas that is walked
    reg drew;                // the layer took random bits

    // ---- constants of the layer
    reg [NW-1:0] n_out;
    reg [WAW-1:0] w_base, w_stride;
    reg [FAW-1:0] f_base, f_stride;
    reg forms, learns, weights_learn;
    integer n;
    always @* begin
        n_out = {NW{1'b0}};
        w_base = {WAW{1'b0}};
        w_stride = {WAW{1'b0}};
        f_base = {FAW{1'b0}};
        f_stride = {FAW{1'b0}};
        forms = 1'b0;
        learns = 1'b0;
        weights_learn = 1'b0;
        for (n = 0; n < LAYERS; n = n + 1)
            if (layer == n[KW-1:0]) begin
                n_out = N_OUTS[NW*n +: NW];
                w_base = W_BASES[WAW*n +: WAW];
                w_stride = W_STRIDES[WAW*n +: WAW];
                f_base = F_BASES[FAW*n +: FAW];
                f_stride = F_STRIDES[FAW*n +: FAW];
                forms = FORMS[n];
                learns = LEARNS[n];
                weights_learn = WEIGHTS_LEARN[n];
            end
    end

    assign is_output = layer == LAST;
    wire last_neuron = neuron == n_out - ONE;
    // no lane is selected by label 0 of a single output
    wire has_target = !(SIGNAL == TARGET && N_OUTPUTS == 1) || target[0];
    assign fused_now = FUSED != 0 && learning && forms && has_target && mode == FORWARD;

    // ---- signals
    localparam [NW-1:0] OUTPUTS = N_OUTPUTS[NW-1:0];
    wire of_list = SIGNAL != TARGET && SIGNAL != SIGNED_TARGET;
    wire [NW-1:0] n_signals = SIGNAL == TARGET ? ONE : SIGNAL == SIGNED_TARGET ? OUTPUTS : n_deltas;
    wire no_signal = of_list ? n_deltas == {NW{1'b0}} : !has_target;
    wire [NW-1:0] target_wide = {{(NW-CW){1'b0}}, target};
    assign lane = SIGNAL == TARGET ? (N_OUTPUTS == 1 ? {NW{1'b0}} : target_wide) : signal;
    wire last_signal = signal == n_signals - ONE;
    wire last_lane = signal == OUTPUTS - ONE;
    assign reading = SIGNAL == LOCAL_ERROR && mode == READING;
    assign begins_readout = state == READOUT;
    wire ends_readout = state == DRAIN3 && reading;
    assign delta_layer = mode == WALKING || SIGNAL == LOCAL_ERROR ? layer : SIGNAL == DELTA ? layer + K_ONE : LAST;

    // ---- updates
    wire updates_now = state == CHECK && !delta_is_zero && SIGNAL != DELTA;
    wire starts_update = updates_now || state == FETCH;
    assign update_read = state == READ;
    assign update_write = state == WRITE;
    assign update_bias = place == n_events;
    wire scan_done = entry == n_gates || no_signal || !forms;
    wire walk_done = entry == n_deltas || !learns;
    wire layer_done = (state == SCAN && scan_done) || (state == WALK && walk_done);
    wire leaves_neuron = (state == CHECK && !updates_now) || (state == WRITE && update_bias);
    assign leaves_fused = leaves_neuron && mode == FORWARD;

    assign busy = state != IDLE;
    assign begins = state == IDLE && start;
    wire ends_prediction = state == DRAIN3 && !fused_now && is_output && !learning;
    wire ends_gated = state == DECIDE && closed;
    wire ends_walk = state == WALK && walk_done && !(SIGNAL == DELTA && layer != {KW{1'b0}});
    assign finishes = ends_prediction || ends_gated || ends_walk;
    assign softmax_start = SOFTMAX_OUTPUT != 0 && ((state == DECIDE && !closed) || ends_readout);

    // ---- strobes
    assign new_layer = state == BEGIN;
    assign issue_signal = state == SIGNAL_RUN;
    assign issue = state == RUN || issue_signal;
    assign issue_bias = state == RUN && update_bias;
    assign issue_first = issue_signal ? signal == {NW{1'b0}} : place == {NW{1'b0}};
    assign issue_last = issue_signal ? last_signal : update_bias;
    wire has_events = n_events != {NW{1'b0}} && weights_learn;
    wire [NW-1:0] next_place = place + ONE;
    assign event_read = (state == RUN && !update_bias) || (starts_update && has_events) ||
                        (state == WRITE && !update_bias && next_place != n_events);
    assign event_place = state == WRITE ? next_place : state == RUN ? place : {NW{1'b0}};
    assign gate_read = state == SCAN && !scan_done;
    assign gate_place = entry;
    assign delta_read = (issue_signal && of_list) || (state == WALK && !walk_done);
    assign delta_place = issue_signal ? signal : entry;
    assign delta_write = state == CHECK && !delta_is_zero && SIGNAL == DELTA;
    assign at_gate_known = state == DRAIN3 && fused_now;
    assign in_signal = state == SIGNAL_RUN || state == SIGNAL1 || state == SIGNAL2 || state == ROUND || state == GATE;
    assign take_modulator = state == ROUND;
    assign gate_valid = state == GATE;
    assign fetch = state == FETCH;
    assign restart_random = starts_update;
    assign commit_random = drew && (layer_done || (leaves_fused && last_neuron));

    always @(posedge clk)
        if (rst) begin
            state <= IDLE;
            drew <= 1'b0;
            mode <= FORWARD;
        end else begin
            if (update_read) drew <= 1'b1;
            else if (commit_random) drew <= 1'b0;

            case (state)
                IDLE: if (start) begin
                    state <= BEGIN;
                    mode <= FORWARD;
                    layer <= {KW{1'b0}};
                    learning <= learn;
                    target <= label;
                end
                BEGIN: begin
                    state <= RUN;
                    place <= {NW{1'b0}};
                end
                RUN: if (update_bias) state <= GAP;
                    else place <= next_place;
                GAP: begin
                    place <= {NW{1'b0}};
                    if (reading) signal <= signal + ONE;
                    state <= fused_now || (reading ? last_lane : last_neuron) ? DRAIN1 : RUN;
                end
                DRAIN1: state <= DRAIN2;
                DRAIN2: state <= DRAIN3;
                DRAIN3: if (fused_now) begin
                    signal <= {NW{1'b0}};
                    state <= !gate_open ? CHECK : SIGNAL == TARGET ? GATE : SIGNAL_RUN;
                end else if (reading) begin
                    mode <= SOFTMAX_OUTPUT != 0 ? READING : SCANNING;
                    state <= SOFTMAX_OUTPUT != 0 ? SOFTMAX : SCAN;
                end else if (is_output) state <= learning ? DECIDE : IDLE;
                else begin
                    layer <= layer + K_ONE;
                    state <= BEGIN;
                end
                DECIDE: if (closed) state <= IDLE;
                    else if (SOFTMAX_OUTPUT != 0) state <= SOFTMAX;
                SOFTMAX: ;
                SCAN: begin
                    signal <= {NW{1'b0}};
                    if (!scan_done) begin
                        entry <= entry + ONE;
                        state <= SIGNAL_RUN;
                    end else begin
                        entry <= {NW{1'b0}};
                        if (layer == END_SCAN) begin
                            layer <= LAST;
                            mode <= WALKING;
                            state <= WALK;
                        end else begin
                            layer <= SIGNAL == DELTA ? layer - K_ONE : layer + K_ONE;
                            if (SIGNAL == LOCAL_ERROR) begin
                                mode <= READING;
                                state <= READOUT;
                            end
                        end
                    end
                end
                SIGNAL_RUN: begin
                    signal <= signal + ONE;
                    if (last_signal) state <= SIGNAL1;
                end
                READOUT: begin
                    place <= {NW{1'b0}};
                    signal <= {NW{1'b0}};
                    if (!forms) mode <= SCANNING;
                    state <= forms ? RUN : SCAN;
                end
                SIGNAL1: state <= SIGNAL2;
                SIGNAL2: state <= ROUND;
                ROUND: state <= GATE;
                GATE: state <= CHECK;
                WALK: if (!walk_done) begin
                    entry <= entry + ONE;
                    state <= FETCH;
                end else begin
                    entry <= {NW{1'b0}};
                    if (SIGNAL == DELTA && layer != {KW{1'b0}}) layer <= layer - K_ONE;
                    else state <= IDLE;
                end
                READ: state <= WRITE;
                WRITE: if (!update_bias) begin
                    place <= next_place;
                    state <= READ;
                end
                default: ;
            endcase

            // after the errors: signals of hidden layers, or the updates alone
            if (state == SOFTMAX && softmax_done && reading) begin
                mode <= SCANNING;
                state <= SCAN;
            end else if ((state == DECIDE && !closed && SOFTMAX_OUTPUT == 0) || (state == SOFTMAX && softmax_done)) begin
                entry <= {NW{1'b0}};
                mode <= !SCANS ? WALKING : SIGNAL == LOCAL_ERROR ? READING : SCANNING;
                layer <= SCANS ? FIRST_SCAN : LAST;
                state <= !SCANS ? WALK : SIGNAL == LOCAL_ERROR ? READOUT : SCAN;
            end
            if (starts_update) begin
                place <= weights_learn ? {NW{1'b0}} : n_events;
                state <= READ;
            end
            if (leaves_neuron) begin
                place <= {NW{1'b0}};
                if (mode == SCANNING) state <= SCAN;
                else if (mode == WALKING) state <= WALK;
                else if (!last_neuron) state <= RUN;
                else begin
                    layer <= layer + K_ONE;
                    state <= BEGIN;
                end
            end
        end

    // ---- places: of the neuron at hand, and of the result that leaves the pipeline
    wire next_neuron = (state == GAP && !fused_now && !reading) || leaves_fused;
    always @(posedge clk) begin
        if (new_layer) begin
            neuron <= {NW{1'b0}};
            row <= w_base;
            feedback_row <= f_base;
        end else if (take_place) begin
            neuron <= taken_neuron;
            row <= taken_row;
            feedback_row <= taken_feedback_row;
        end else if (begins_readout) feedback_row <= f_base;
        else if (state == GAP && reading) feedback_row <= feedback_row + f_stride;
        else if (next_neuron && !last_neuron) begin
            neuron <= neuron + ONE;
            row <= row + w_stride;
            feedback_row <= feedback_row + f_stride;
        end

        if (new_layer || state == DECIDE || begins_readout || ends_readout) begin
            result_neuron <= {NW{1'b0}};
            result_row <= w_base;
            result_feedback_row <= f_base;
        end else if (result || softmax_valid) begin
            result_neuron <= result_neuron + ONE;
            result_row <= result_row + w_stride;
            result_feedback_row <= result_feedback_row + f_stride;
        end
    end
endmodule
