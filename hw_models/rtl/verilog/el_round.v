// rn(value, s) of the contract, section 1: round half up by s bits; a negative s is a shift to the left.
// Each layer has its own constant s; with DYNAMIC `more` is added to it, up to CAP (halvings of a rate).
module el_round #(
    parameter W = 32,                     // bits of the value
    parameter LEFT = 0,                   // bits that the largest shift to the left adds
    parameter LAYERS = 1,
    parameter KW = 1,                     // bits of the number of a layer
    parameter [8*LAYERS-1:0] SHIFTS = 0,  // signed bytes, layer 1 in the lowest
    parameter DYNAMIC = 0,
    parameter CAP = 30
) (
    input  signed [W-1:0]    value,
    input         [KW-1:0]   layer,
    /* verilator lint_off UNUSED */
    input         [4:0]      more,
    /* verilator lint_on UNUSED */
    output reg signed [W+LEFT:0] rounded
);
    localparam OW = W + LEFT + 1;
    localparam signed [OW-1:0] ONE = 1;

    wire signed [OW-1:0] wide;
    el_extend #(.W(W), .OW(OW)) extend_wide (.value(value), .out(wide));
    wire [OW*LAYERS-1:0] moved;

    genvar i;
    generate
        for (i = 0; i < LAYERS; i = i + 1) begin : each
            localparam signed [7:0] S = SHIFTS[8*i +: 8];
            if (DYNAMIC != 0) begin : dynamic
                wire signed [7:0] base = S;
                wire signed [7:0] given = {3'b000, more};
                wire signed [7:0] top = CAP[7:0];
                wire signed [7:0] total = base + given;
                wire signed [7:0] s = total > top ? top : total;
                wire signed [7:0] minus = -s;
                wire signed [OW-1:0] half = s > 8'sd0 ? ONE <<< (s - 8'sd1) : {OW{1'b0}};
                wire signed [OW-1:0] sum = wide + half;
                wire signed [OW-1:0] right = sum >>> s;
                wire signed [OW-1:0] left = wide <<< minus;
                assign moved[OW*i +: OW] = s > 8'sd0 ? right : left;
            end else if (S > 0) begin : right
                wire signed [OW-1:0] half = ONE <<< (S - 1);
                wire signed [OW-1:0] sum = wide + half;
                wire signed [OW-1:0] down = sum >>> S;
                assign moved[OW*i +: OW] = down;
            end else begin : left
                wire signed [OW-1:0] up = wide <<< (-S);
                assign moved[OW*i +: OW] = up;
            end
        end
    endgenerate

    integer n;
    always @* begin
        rounded = {OW{1'b0}};
        for (n = 0; n < LAYERS; n = n + 1)
            if (layer == n[KW-1:0]) rounded = moved[OW*n +: OW];
    end
endmodule
