// The output layer: prediction, update gate and errors (contract, sections 3, 4 and 9).
module el_output #(
    parameter N_OUT = 10,
    parameter NW = 8,              // bits of the number of an output
    parameter CW = 4,              // bits of a label
    parameter ACC = 32,
    parameter EW = 9,              // bits of an error: min(9, delta_bits)
    parameter DEAD_ZONE = 0,
    parameter LOCAL_DEAD_ZONE = 0, // of readouts of hidden layers
    parameter UPDATE_GATE = 0,     // 0 always, 1 error, 2 margin
    parameter MARGIN = 0
) (
    input                     clk,
    input                     clear,       // a sample begins
    input      [CW-1:0]       label,
    // a sum of an output
    input                     sum_valid,
    input      [NW-1:0]       sum_output,
    input  signed [ACC-1:0]   sum,
    input  signed [7:0]       q,
    output reg [CW-1:0]       predicted,
    output                    closed,      // the sample is gated
    // a probability
    input      [NW-1:0]       error_output,
    input      [7:0]          probability,
    input                     reading,
    output signed [EW-1:0]    error
);
    wire [NW-1:0] label_wide = {{(NW-CW){1'b0}}, label};

    // ---- first maximum of z; with one output class 1 if z > 0
    localparam signed [ACC-1:0] ZERO = 0;
    reg signed [ACC-1:0] best;
    reg any;
    wire first_or_more = !any || sum > best;
    always @(posedge clk)
        if (clear) begin
            any <= 1'b0;
            predicted <= {CW{1'b0}};
        end else if (sum_valid) begin
            any <= 1'b1;
            if (N_OUT == 1) predicted <= {{(CW-1){1'b0}}, sum > ZERO};
            else if (first_or_more) begin
                best <= sum;
                predicted <= sum_output[CW-1:0];
            end
        end

    // ---- update gate
    generate
        if (UPDATE_GATE == 0) begin : always_open
            wire unused = &{1'b0, q};
            assign closed = 1'b0;
        end else begin : gated
            reg signed [8:0] own, other;   // q of the label, largest of other outputs
            wire signed [8:0] q_wide;
            el_extend #(.W(8), .OW(9)) extend_q_wide (.value(q), .out(q_wide));
            always @(posedge clk)
                if (clear) begin
                    own <= 9'sd0;
                    other <= -9'sd256;
                end else if (sum_valid) begin
                    if (N_OUT == 1) own <= label[0] ? q_wide : -q_wide;
                    else if (sum_output == label_wide) own <= q_wide;
                    else if (q_wide > other) other <= q_wide;
                end
            wire signed [9:0] own_wide;
            el_extend #(.W(9), .OW(10)) extend_own_wide (.value(own), .out(own_wide));
            wire signed [9:0] other_wide;
            el_extend #(.W(9), .OW(10)) extend_other_wide (.value(other), .out(other_wide));
            wire signed [9:0] lead = N_OUT == 1 ? own_wide : own_wide - other_wide;
            wire signed [9:0] margin = MARGIN[9:0];
            assign closed = predicted == label && (UPDATE_GATE == 1 || lead > margin);
        end
    endgenerate

    // ---- e = p - 255 target, 0 in the dead zone, narrowed
    wire is_target = N_OUT == 1 ? label[0] : error_output == label_wide;
    wire signed [9:0] p_wide = {2'b00, probability};
    wire signed [9:0] full = is_target ? p_wide - 10'sd255 : p_wide;
    wire signed [9:0] zone = reading ? LOCAL_DEAD_ZONE[9:0] : DEAD_ZONE[9:0];
    wire signed [9:0] zone_low = -zone;
    wire dead = full <= zone && full >= zone_low;
    wire signed [9:0] alive = dead ? 10'sd0 : full;
    wire signed [10:0] narrowed;
    localparam NARROW = 9 - EW;
    localparam [7:0] SHIFT = NARROW[7:0];
    el_round #(.W(10), .LAYERS(1), .KW(1), .SHIFTS(SHIFT))
        round (.value(alive), .layer(1'b0), .more(5'd0), .rounded(narrowed));
    wire signed [EW-1:0] most = {1'b0, {(EW-1){1'b1}}};
    wire signed [EW-1:0] least = -most;
    wire cut;
    el_sat #(.W(11), .OW(EW)) limit (.value(narrowed), .lo(least), .hi(most), .limited(error), .cut(cut));
    wire unused_bits = &{1'b0, cut, label_wide, sum_output, error_output, q};
endmodule
