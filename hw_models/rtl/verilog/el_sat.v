// sat(value, lo, hi) of the contract, section 1, with limits that fit the narrower word.
module el_sat #(
    parameter W = 16,   // bits of the value
    parameter OW = 8    // bits of the limits and the result, fewer than W
) (
    input  signed [W-1:0]  value,
    input  signed [OW-1:0] lo,
    input  signed [OW-1:0] hi,
    output signed [OW-1:0] limited,
    output                 cut
);
    wire signed [W-1:0] low;
    el_extend #(.W(OW), .OW(W)) extend_low (.value(lo), .out(low));
    wire signed [W-1:0] high;
    el_extend #(.W(OW), .OW(W)) extend_high (.value(hi), .out(high));
    wire under = value < low;
    wire over = value > high;

    assign limited = under ? lo : over ? hi : value[OW-1:0];
    assign cut = under | over;
endmodule
