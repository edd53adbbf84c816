// The same signed number in a word of another width: sign-extended, or its lowest bits where those are known to hold it.
module el_extend #(
    parameter W = 8,
    parameter OW = 16
) (
    input  signed [W-1:0]  value,
    output signed [OW-1:0] out
);
    generate
        if (OW > W) begin : wider
            assign out = {{(OW-W){value[W-1]}}, value};
        end else if (OW == W) begin : same
            assign out = value;
        end else begin : narrower
            wire unused = &{1'b0, value[W-1:OW]};
            assign out = value[OW-1:0];
        end
    endgenerate
endmodule
